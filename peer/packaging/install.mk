# install.mk - what a user and a distribution install, and the archives that they install it from. Part of Makefile.

LIBDIR ?= $(PREFIX)/lib
MANDIR ?= $(PREFIX)/share/man
BASHDIR ?= $(PREFIX)/share/bash-completion/completions
ZSHDIR ?= $(PREFIX)/share/zsh/site-functions
FISHDIR ?= $(PREFIX)/share/fish/vendor_completions.d
SONAME := libp2pconnect.so.0

# The library's manual is its header.
$(B)/p2pconnect.3: peer/packaging/manual.awk peer/p2pconnect.h peer/cli/p2pconnect.1
	@mkdir -p $(@D)
	awk -v version=$(VERSION) -v date=$$(sed -n '1s/.*"\(20[0-9-]*\)".*/\1/p' peer/cli/p2pconnect.1) \
		-f peer/packaging/manual.awk peer/p2pconnect.h >$@.$$$$ && mv $@.$$$$ $@
# Completions are asked of the command, which has the tables.
SHELLS := bash zsh fish
$(SHELLS:%=$(B)/completion.%): $(B)/completion.%: $(B)/p2pconnect
	$(B)/p2pconnect --completion $* >$@.$$$$ && mv $@.$$$$ $@
$(B)/libp2pconnect.pc: peer/p2pconnect.pc.in Makefile FORCE
	@mkdir -p $(@D)
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR:$(PREFIX)/%=$${prefix}/%)|' -e 's|@VERSION@|$(VERSION)|' -e 's|@LIBS@|$(LIBS)|' \
		-e 's|@LIBS_PRIVATE@|$(strip $(IPSEC_MB_LIBS) -pthread)|' $< >$@
.PHONY: FORCE
FORCE:

INSTALL_DIRS = $(PREFIX)/bin $(PREFIX)/include $(LIBDIR)/pkgconfig $(MANDIR)/man1 $(MANDIR)/man3 $(BASHDIR) $(ZSHDIR) $(FISHDIR)
INSTALLED = $(PREFIX)/bin/p2pconnect $(PREFIX)/include/p2pconnect.h $(LIBDIR)/libp2pconnect.a $(LIBDIR)/libp2pconnect.so \
	$(LIBDIR)/$(SONAME) $(LIBDIR)/libp2pconnect.so.$(VERSION) $(LIBDIR)/pkgconfig/libp2pconnect.pc \
	$(MANDIR)/man1/p2pconnect.1 $(MANDIR)/man3/p2pconnect.3 \
	$(BASHDIR)/p2pconnect $(ZSHDIR)/_p2pconnect $(FISHDIR)/p2pconnect.fish
.PHONY: install uninstall
install: all $(B)/p2pconnect.3 $(SHELLS:%=$(B)/completion.%) $(B)/libp2pconnect.pc
	install -d $(addprefix $(DESTDIR),$(INSTALL_DIRS))
	install -m 755 $(B)/p2pconnect $(DESTDIR)$(PREFIX)/bin/p2pconnect
	install -m 644 peer/p2pconnect.h $(DESTDIR)$(PREFIX)/include/p2pconnect.h
	install -m 644 $(B)/libp2pconnect.a $(DESTDIR)$(LIBDIR)/libp2pconnect.a
	install -m 755 $(B)/libp2pconnect.so $(DESTDIR)$(LIBDIR)/libp2pconnect.so.$(VERSION)
	ln -sf libp2pconnect.so.$(VERSION) $(DESTDIR)$(LIBDIR)/$(SONAME)
	ln -sf $(SONAME) $(DESTDIR)$(LIBDIR)/libp2pconnect.so
	install -m 644 $(B)/libp2pconnect.pc $(DESTDIR)$(LIBDIR)/pkgconfig/libp2pconnect.pc
	install -m 644 peer/cli/p2pconnect.1 $(DESTDIR)$(MANDIR)/man1/p2pconnect.1
	install -m 644 $(B)/p2pconnect.3 $(DESTDIR)$(MANDIR)/man3/p2pconnect.3
	install -m 644 $(B)/completion.bash $(DESTDIR)$(BASHDIR)/p2pconnect
	install -m 644 $(B)/completion.zsh $(DESTDIR)$(ZSHDIR)/_p2pconnect
	install -m 644 $(B)/completion.fish $(DESTDIR)$(FISHDIR)/p2pconnect.fish
uninstall:
	rm -f $(addprefix $(DESTDIR),$(INSTALLED))

# The sources as one archive, the same byte for byte from the same commit, and again from the archive itself: what git
# tracks, or what is there where there is no git, with the commit's time (the Makefile's).
DIST := p2pconnect-$(VERSION)
DIST_TIME = $(shell if [ -e .git ]; then git log -1 --format=%ct; else stat -c %Y Makefile; fi)
.PHONY: dist
dist:
	@mkdir -p build
	if [ -e .git ]; then git ls-files; else find . -path ./build -prune -o -type f -print | sed 's|^\./||'; fi | \
		LC_ALL=C sort >build/dist.files
	tar --create --file=build/$(DIST).tar.gz --use-compress-program='gzip -9n' --format=ustar --no-recursion \
		--files-from=build/dist.files --transform='s|^|$(DIST)/|' --mtime=@$(DIST_TIME) --owner=0 --group=0 \
		--numeric-owner --mode=u+rw,go=rX

# Debian packages, from that archive, into build/deb/packages; what debian/ is elsewhere lies in peer/packaging/debian. BUILT=DIR takes
# object files from there instead of compiling: for the tests, who look at the layout. lintian judges where it is installed.
DEBS ?= build/deb/packages
BUILT ?=
.PHONY: deb
deb: dist
	@tests/setup.sh deb
	rm -rf $(DEBS) && mkdir -p $(DEBS)
	cp build/$(DIST).tar.gz $(DEBS)/p2pconnect_$(VERSION).orig.tar.gz
	tar -C $(DEBS) -xf build/$(DIST).tar.gz
	cp -R $(DEBS)/$(DIST)/peer/packaging/debian $(DEBS)/$(DIST)/debian
	$(if $(BUILT),mkdir $(DEBS)/$(DIST)/build && cp -R $(addprefix $(BUILT)/,switches stun signaling peer p2pconnect libp2pconnect.a \
		libp2pconnect.so) $(DEBS)/$(DIST)/build && find $(DEBS)/$(DIST)/build -exec touch -d @$$(date +%s) {} +)
	cd $(DEBS)/$(DIST) && env -u MAKEFLAGS -u MAKELEVEL $(if $(BUILT),DEB_BUILD_OPTIONS="nocheck noautodbgsym") \
		dpkg-buildpackage --no-sign $(if $(BUILT),--no-pre-clean --build=binary)
	@if command -v lintian >/dev/null; then \
		cd $(DEBS) && lintian --allow-root --pedantic --fail-on error,warning,pedantic *.changes && echo "lintian: nothing to say"; \
	else echo "lintian: not installed, left out"; fi
	ls $(DEBS)/*.deb

# The same, built and used on a Debian 12 that is put into a folder for it: takes root, the network, and minutes.
.PHONY: deb-test
deb-test: deb
	@tests/setup.sh all
	@python3 tests/clean_debian.py --sources $(DEBS)

# The command with every library in it that its package has an archive of. What has none stays shared: libmosquitto (and the
# OpenSSL that comes with it), cJSON, p11-kit (GnuTLS's; it loads modules), and libc, which these need and whose names
# service would not be static anyway.
STATIC_LIBS = $(sort $(patsubst -l%,%,$(filter -l%,$(shell pkg-config --static --libs $(LIBS)) $(IPSEC_MB_LIBS))))
archive_of = $(filter /%,$(shell $(CC) -print-file-name=lib$(1).a))
STATIC_KEPT = $(filter-out m atomic pthread,$(foreach lib,$(STATIC_LIBS),$(if $(call archive_of,$(lib)),,$(lib))))
STATIC_TAKEN = $(filter-out m atomic pthread $(STATIC_KEPT),$(STATIC_LIBS))
.PHONY: static
static:
	@tests/setup.sh static
	@$(MAKE) -s --no-print-directory B=$(B) $(B)/static/p2pconnect
	@echo "in it: $(STATIC_TAKEN); shared: $(STATIC_KEPT), and what these bring"
$(B)/static/p2pconnect: $(call obj,$(CLI_SRC)) $(B)/libp2pconnect.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -o $@ $^ $(LDFLAGS) -Wl,--start-group $(STATIC_TAKEN:%=-l:lib%.a) -Wl,--end-group \
		-Wl,--as-needed $(STATIC_KEPT:%=-l%) -lm -latomic -pthread $(LDLIBS)
