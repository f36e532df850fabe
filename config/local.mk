# config: the parameters, declared once; reading, checking, printing
noinst_HEADERS += config/config.h config/params.h
