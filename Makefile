# Builds, shows and tests Understudy. `make demo` is the first thing to try.

SHELL       := /bin/bash
BINARY      := .build/release/understudy
CHAOS       := .build/chaos/release/understudy
RELEASE     := swift build -c release --static-swift-stdlib --product understudy
DESTDIR     ?=
PREFIX      ?= /usr

.PHONY: build chaos demo test bench install deb dependencies format lint clean

# What runs on a host: one file, the Swift runtime inside.
build:
	packaging/install-dependencies.sh build
	$(RELEASE)

# A failover with real brokers on this machine, told while it happens (root).
demo: dependencies build
	$(BINARY) lab demo

# Everything that can be tested here; says loudly what cannot.
test: dependencies chaos build
	packaging/run-tests.sh $(BINARY) $(CHAOS)

# A balancer that kills itself at named points: for Tests/Acceptance/chaos.py alone (docs/survival.md).
# Built apart, so that nobody installs it by mistake.
chaos: dependencies
	UNDERSTUDY_CHAOS=1 $(RELEASE) --scratch-path .build/chaos

# The balancer beside haproxy and nginx on this machine (root; a quarter of an hour; BENCH=--quick: some minutes). The
# tables go to docs/benchmarks.md.
bench: dependencies build
	UNDERSTUDY_BINARY=$(abspath $(BINARY)) python3 Tests/Bench/bench.py $(BENCH) --write docs/benchmarks.md

install:
	@test -x $(BINARY) || { echo "run make build first" >&2; exit 1; }
	install -D -m 755 $(BINARY) $(DESTDIR)$(PREFIX)/sbin/understudy
	install -d $(DESTDIR)/lib/systemd/system
	sed 's|/usr/sbin/understudy|$(PREFIX)/sbin/understudy|' systemd/understudy.service \
	    > $(DESTDIR)/lib/systemd/system/understudy.service
	chmod 644 $(DESTDIR)/lib/systemd/system/understudy.service
	install -D -m 644 systemd/understudy.sysusers $(DESTDIR)/usr/lib/sysusers.d/understudy.conf
	install -D -m 644 README.md $(DESTDIR)$(PREFIX)/share/doc/understudy/README.md
	if test -z "$(DESTDIR)" && command -v systemd-sysusers >/dev/null; then systemd-sysusers understudy.conf; fi
	test -e $(DESTDIR)/etc/understudy/understudy.conf || \
	    install -D -m 644 conf/understudy.conf $(DESTDIR)/etc/understudy/understudy.conf

# A package for Debian and its relatives, beside this file: dpkg -i understudy_*.deb
deb: build
	packaging/make-deb.sh $(BINARY)

dependencies:
	packaging/install-dependencies.sh

format:
	swift format --in-place --recursive --parallel Sources Tests Package.swift

lint:
	swift format lint --strict --recursive --parallel Sources Tests Package.swift

clean:
	swift package clean
