# lib/mail: RFC 5322 and 5321 grammar, fix-ups, delivery reports
