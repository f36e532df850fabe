# contrib: for the places around Baton; not installed
EXTRA_DIST += contrib/alternatives.sh contrib/baton.bash contrib/logrotate contrib/mailer.conf
