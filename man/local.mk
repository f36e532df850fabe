# man: manual pages
dist_man_MANS += man/mailq.1 man/newaliases.1 man/sendmail.8
