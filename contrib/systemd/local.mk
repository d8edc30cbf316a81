# SPDX-License-Identifier: LGPL-2.1-or-later
# The system's instance and the users' own.

EXTRA_DIST += \
	contrib/systemd/evloopd.service.in \
	contrib/systemd/announce \
	contrib/systemd/evloopd.catalog \
	contrib/systemd/evloopd.socket \
	contrib/systemd/evloopd.sysusers \
	contrib/systemd/evloopd.tmpfiles \
	contrib/systemd/user/evloopd.service.in \
	contrib/systemd/user/evloopd.socket

if SYSTEMD
if SYSTEM_UNITS
dist_systemunit_DATA = contrib/systemd/evloopd.socket
nodist_systemunit_DATA = contrib/systemd/evloopd.service
systemunitdir = $(systemdsystemunitdir)

# Named as systemd wants them, which is not as they are told apart here.
install-data-hook:
	$(MKDIR_P) "$(DESTDIR)$(sysusersdir)" "$(DESTDIR)$(tmpfilesdir)" "$(DESTDIR)$(catalogdir)"
	$(INSTALL_DATA) $(srcdir)/contrib/systemd/evloopd.sysusers "$(DESTDIR)$(sysusersdir)/evloopd.conf"
	$(INSTALL_DATA) $(srcdir)/contrib/systemd/evloopd.tmpfiles "$(DESTDIR)$(tmpfilesdir)/evloopd.conf"
	$(INSTALL_DATA) $(srcdir)/contrib/systemd/evloopd.catalog "$(DESTDIR)$(catalogdir)/evloopd.catalog"
	$(SHELL) $(srcdir)/contrib/systemd/announce '$(DESTDIR)' '$(sysusersdir)' '$(libdir)'

uninstall_hooks += uninstall-units
uninstall-units:
	rm -f "$(DESTDIR)$(sysusersdir)/evloopd.conf" "$(DESTDIR)$(tmpfilesdir)/evloopd.conf" \
		"$(DESTDIR)$(catalogdir)/evloopd.catalog"
	$(SHELL) $(srcdir)/contrib/systemd/announce '$(DESTDIR)' '$(sysusersdir)' '$(libdir)' gone
endif
if USER_UNITS
dist_userunit_DATA = contrib/systemd/user/evloopd.socket
nodist_userunit_DATA = contrib/systemd/user/evloopd.service
userunitdir = $(systemduserunitdir)
endif
CLEANFILES += $(nodist_systemunit_DATA) $(nodist_userunit_DATA)
endif

contrib/systemd/evloopd.service: contrib/systemd/evloopd.service.in
contrib/systemd/user/evloopd.service: contrib/systemd/user/evloopd.service.in
contrib/systemd/evloopd.service contrib/systemd/user/evloopd.service: Makefile
	@$(MKDIR_P) $(@D)
	$(AM_V_GEN)$(SED) -e 's,@sbindir\@,$(sbindir),g' -e 's,@bindir\@,$(bindir),g' -e 's,@libdir\@,$(libdir),g' \
		$(srcdir)/$@.in >$@.new && mv $@.new $@

dist_check_SCRIPTS += tests/check-units.sh
TESTS += tests/check-units.sh
