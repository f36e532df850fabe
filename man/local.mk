# man: manual pages; baton.conf(5) gets its lists from the table of parameters, by `baton config --mdoc`
dist_man_MANS += man/baton.8 man/baton_access.5 man/baton_table.5 man/postmap.1 man/postqueue.1 man/postsuper.1 man/postcat.1 man/postconf.1 man/postfix.1 man/batond.8 man/mailq.1 man/newaliases.1 man/sendmail.8
man_MANS = man/baton.conf.5
EXTRA_DIST += man/baton.conf.5.in
CLEANFILES += man/baton.conf.5

man/baton.conf.5: $(srcdir)/man/baton.conf.5.in baton$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) man && while IFS= read -r line; do \
	    case $$line in \
	    @*@) name=$${line#@}; ./baton$(EXEEXT) config --mdoc "$${name%@}" || exit 1;; \
	    *) printf '%s\n' "$$line";; \
	    esac; \
	done < $(srcdir)/man/baton.conf.5.in > $@.tmp && mv $@.tmp $@
