# packaging: what turns an installed Baton into a service: unit, user, links, an example of a configuration
PACKAGING_IN = packaging/systemd/baton.service packaging/sysusers.d/baton.conf packaging/tmpfiles.d/baton.conf
EXTRA_DIST += $(PACKAGING_IN:=.in) packaging/baton.conf.example packaging/container/Containerfile \
	packaging/container/as-in-container packaging/systemd/as-in-unit \
	packaging/debian/make-deb packaging/debian/postinst packaging/debian/postrm packaging/debian/prerm
dist_doc_DATA = README.md NEWS packaging/baton.conf.example packaging/systemd/mailboxes.conf

# Paths are known to make, not to config.status
SPOOL = $(localstatedir)/spool/baton
$(PACKAGING_IN): %: %.in Makefile
	$(AM_V_GEN)$(MKDIR_P) $(@D) && $(SED) -e 's,@SBINDIR[@],$(sbindir),g' -e 's,@SYSCONFDIR[@],$(sysconfdir),g' \
	  -e 's,@SPOOL[@],$(SPOOL),g' -e 's,@MAIL_OWNER[@],$(MAIL_OWNER),g' -e 's,@SETGID_GROUP[@],$(SETGID_GROUP),g' \
	  -e 's,@SYSTEMD_TYPE[@],$(SYSTEMD_TYPE),g' \
	  `test $(SYSTEMD_TYPE) = notify || echo '-e /^ExecReload=/d'` $< > $@.tmp && mv $@.tmp $@
CLEANFILES += $(PACKAGING_IN)

if SYSTEMD
systemdsystemunit_DATA = packaging/systemd/baton.service
sysusersdir = $(prefix)/lib/sysusers.d
sysusers_DATA = packaging/sysusers.d/baton.conf
tmpfilesdir = $(prefix)/lib/tmpfiles.d
tmpfiles_DATA = packaging/tmpfiles.d/baton.conf
endif

POSTFIX_NAMES = postmap postalias postqueue postsuper postcat postconf postfix

# mailq and newaliases are sendmail by name, those of Postfix are baton; the links are relative, so that a DESTDIR may be moved.
install-exec-hook:
	@$(MKDIR_P) "$(DESTDIR)$(bindir)"
	for name in mailq newaliases; do ln -srf "$(DESTDIR)$(sbindir)/sendmail" "$(DESTDIR)$(bindir)/$$name" || exit; done
	$(MKDIR_P) "$(DESTDIR)$(sysconfdir)/baton"
	@to="$(DESTDIR)$(prefix)/lib/sendmail"; if test "$(prefix)" = /usr && { test -L "$$to" || ! test -e "$$to"; }; then \
	  $(MKDIR_P) "$(DESTDIR)$(prefix)/lib"; ln -srf "$(DESTDIR)$(sbindir)/sendmail" "$$to"; fi
if POSTMAP
	@for name in $(POSTFIX_NAMES); do to="$(DESTDIR)$(sbindir)/$$name"; \
	  if test -e "$$to" && ! test "$$to" -ef "$(DESTDIR)$(sbindir)/baton"; then \
	    echo "$$to is somebody else's (Postfix's?) and stays; \`baton' does the same"; \
	  else ln -srf "$(DESTDIR)$(sbindir)/baton" "$$to" || exit; fi; done
endif
if SETGID
	@if test -n "$(DESTDIR)"; then :; \
	elif test "`id -u`" = 0 && getent group $(SETGID_GROUP) >/dev/null; then \
	  echo " chgrp $(SETGID_GROUP), chmod g+s $(sbindir)/sendmail"; \
	  chgrp $(SETGID_GROUP) "$(sbindir)/sendmail" && chmod 2755 "$(sbindir)/sendmail"; \
	elif test "`id -u`" = 0; then \
	  echo; echo "There is no group $(SETGID_GROUP) yet. \`make install-user' makes it, with the user $(MAIL_OWNER);"; \
	  echo "after it run \`make install' again: then other users' sendmail works while batond is down."; echo; \
	fi
endif

uninstall-hook:
	@for name in $(POSTFIX_NAMES); do to="$(DESTDIR)$(sbindir)/$$name"; \
	  case `readlink "$$to" 2>/dev/null` in baton|*/baton) rm -f "$$to";; esac; done
	rm -f "$(DESTDIR)$(bindir)/mailq" "$(DESTDIR)$(bindir)/newaliases"
	@to="$(DESTDIR)$(prefix)/lib/sendmail"; case `readlink "$$to" 2>/dev/null` in ../sbin/sendmail) rm -f "$$to";; esac
	@rmdir "$(DESTDIR)$(sysconfdir)/baton" 2>/dev/null || :

# The user and the group, on a machine where no package manager or systemd-sysusers does it
install-user:
	getent group $(SETGID_GROUP) >/dev/null || groupadd --system $(SETGID_GROUP)
	getent passwd $(MAIL_OWNER) >/dev/null || useradd --system --gid $(SETGID_GROUP) --home-dir $(SPOOL) --no-create-home \
	  --shell /usr/sbin/nologin --comment 'Baton mail transfer agent' $(MAIL_OWNER)
.PHONY: install-user

# A Debian package, of a build for /usr
deb: all
	$(srcdir)/packaging/debian/make-deb "$(abs_top_srcdir)" "$(abs_top_builddir)" $(PACKAGE_VERSION) $(MAIL_OWNER) $(SETGID_GROUP)
.PHONY: deb
