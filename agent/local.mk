# agent: sendmail, mailq, newaliases
