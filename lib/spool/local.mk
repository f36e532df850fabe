# lib/spool: the spool
