# lib/smtp: the protocol engines, client and server; no I/O
