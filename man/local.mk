# man: manual pages
