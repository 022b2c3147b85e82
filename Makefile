# Everything a machine needs is set up by the target that needs it: the Go modules by
# go itself, Debian packages for the end-to-end tests by .ci/packages.
GO          ?= go
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
VERSION     := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
# What one command has compiled serves all the others.
export GOFLAGS += -trimpath
export CGO_ENABLED ?= 0

.PHONY: run build check test packages unit freebsd 32bit race fuzz e2e reproducible vuln test-debian13 bench hops attacks faults lint fmt golden package clean

# The program at work on data that it brings; as root with a live round in a private namespace.
run: build
	./fwknopd demo

build:
	$(GO) build -ldflags '-s -w -X main.revision=$(VERSION)' -o fwknopd ./cmd/fwknopd
	$(GO) build -ldflags '-s -w -X main.revision=$(VERSION)' -o fwknop ./cmd/fwknop
	$(GO) build -ldflags '-s -w -X main.revision=$(VERSION)' -o fwknopd-fleet ./cmd/fwknopd-fleet

# What has to be green before a commit; needs neither root nor packages.
check: fmt lint unit freebsd 32bit

# Many tests wait most of the time: more of them at once than there are processors. Without the analyses
# of go test, all of which are among those of lint.
TESTING := -vet=off -p 3 -parallel 8

UNIT ?= ./...
unit:
	$(GO) test $(TESTING) $(UNIT)

# All packages and tests compile for FreeBSD; the way it follows files (fsnotify) is tested on
# this system. The client compiles for Windows and macOS too.
freebsd:
	GOOS=freebsd GOARCH=amd64 CGO_ENABLED=0 $(GO) vet ./...
	GOOS=freebsd GOARCH=amd64 CGO_ENABLED=0 $(GO) test -c -vet=off -ldflags '-s -w' -o /dev/null ./...
	for os in windows darwin; do GOOS=$$os CGO_ENABLED=0 $(GO) vet ./cmd/fwknop/... || exit 1; done
	$(GO) test -short -tags fsnotify -run 'Follow' ./ingest

# The types of all packages and tests are right for 32-bit processors too (their files are those that
# lint has seen); where this one runs their programs, what parses and decides is tested so.
32bit:
	$(GO) run ./fixtures/typecheck linux/386 ./...
	if GOARCH=386 CGO_ENABLED=0 $(GO) test -vet=off -run '^$$' ./policy/totp >/dev/null 2>&1; then \
		GOARCH=386 CGO_ENABLED=0 $(GO) test -short -vet=off ./parse ./policy ./policy/conf ./policy/spa ./fingerprint ./ingest/filter; \
	else echo "skipped: this kernel runs no 32-bit programs"; fi

# All that CI runs. Packages with end-to-end tests are tested once, with those. Fuzzing has the time in
# which they wait.
test: packages
	$(MAKE) check UNIT="$$(.ci/e2e --others)"
	$(MAKE) race
	$(MAKE) --output-sync=target -j2 e2e fuzz
	$(MAKE) reproducible vuln

# What the tests meet that Go does not bring; see there what happens without root.
packages:
	.ci/packages

race: packages
	@if command -v gcc >/dev/null; then set -x; CGO_ENABLED=1 $(GO) test -race -short $(TESTING) ./...; \
	else echo "skipped: tests under the race detector need gcc"; test "$$CI" != true; fi

# The tests that need root, other programs and private network namespaces.
e2e: packages build
	.ci/e2e

# Two clones of HEAD build the same bytes: program, package, bill of materials.
reproducible: packages
	.ci/reproducible

# Known vulnerabilities; "not run" where the database cannot be reached.
vuln:
	.ci/vuln

# The same on Debian 13, which is set up in build/debian13; not in CI.
test-debian13:
	.ci/debian13

# Every fuzz target for FUZZTIME.
fuzz:
	.ci/fuzz

# The names of the tests in a table of SECURITY.md.
named = sed -n '/^\#\# $(1)$$/,/^\#\# /p' SECURITY.md | grep -oE '\b(Test|Fuzz)[A-Z]\w*' | sort -u | paste -sd '|' -

# Attacks, each with what is promised against it: a worker that was taken over (its requests,
# floods, silence, exit codes, its journal and records), packets in other spellings and ways,
# forged log lines, OpenPGP signatures and bombs, floods of forged or colliding sources, slow
# connections, texts that control logs and terminals: the tests of the table in SECURITY.md,
# and others by their names. All are part of unit and e2e too.
ATTACKS := Attack|Hostile|Violations|Garbage|Stranger|Forge|Flood|TCPServer|GPGVectors|Respelled|Spellings|GrantedOnce|MaxGrants|Limits$$|SourcesAreBounded
ATTACKS := $(ATTACKS)|StoppedWorker|DeadlyPacket
attacks: packages
	FWKNOPD_E2E=1 $(GO) test -count=1 -p 1 -timeout 20m -run '^('"$$($(call named,Attacks))"')$$|$(ATTACKS)' ./...

# Faults, each with what is promised in spite of it (the table in SECURITY.md, and others by
# their names): processes killed at any moment, 200 times; a journal that is damaged or gone;
# disks that are full or fail; programs that hang or fail; clocks that step; interfaces and
# logs that go and come. All are part of unit and e2e too, with fewer rounds.
FAULTS := Killed|WorkerDies|Damaged|JournalChanged|Hang|StartErrors|ListFails|TestCrash|TestNoIP|TestTries|TornFiles|FuzzJournal
FAULTS := $(FAULTS)|InterfaceComesAndGoes|Rotation|FollowShapes|FollowRelinked|NFLOGLost
faults: packages
	FWKNOPD_E2E=1 FWKNOPD_FAULTS=200 $(GO) test -count=1 -p 1 -timeout 30m -run '^('"$$($(call named,Faults))"')$$|$(FAULTS)' ./...

# Benchmarks, and the measurements beside other programs: the table of README, which is
# in build/bench.md then.
bench:
	$(GO) test -run '^$$' -bench . -benchmem ./...
	FWKNOPD_E2E=1 $(GO) test -run '^$$' -bench '^Benchmark(Start|Grant)$$' -benchtime 100x ./cmd/fwknopd ./enforce/monitor
	@mkdir -p build && rm -f build/bench.md
	FWKNOPD_PEERS=$(CURDIR)/build/bench.md $(GO) test -count=1 -v -run '^TestBeside$$' ./cmd/fwknopd
	@cat build/bench.md

# The functions and files on the way of one packet, with nf_tables and with iptables, of one line of a
# log, of one access.conf: what a run with it covers and a run without it does not (TestHops). Their
# lists are in build/hops. As root.
hops:
	FWKNOPD_E2E=1 FWKNOPD_HOPS=$(CURDIR)/build/hops $(GO) test -count=1 -v -run '^TestHops$$' ./cmd/fwknopd

lint:
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...

# Fails if a file is not formatted.
fmt:
	@out=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$out" || { echo "gofmt would change:"; echo "$$out"; exit 1; }

# Rewrite the golden files after a deliberate change; look at the diff.
golden:
	$(GO) test $$(git grep -l 'fwknopd/fixtures/golden"' -- '*_test.go' | xargs -n1 dirname | sort -u | sed 's|^|./|') -update
	UPDATE_SCRIPTS=1 $(GO) test -run Scripts ./cmd/fwknopd

# The packages fwknopd, fwknopd-fleet and fwknopd-client in build, as .deb and .rpm, and their .cdx.json: the same
# bytes from the same commit.
package:
	cmd/fwknopd/unit/package build

clean:
	rm -rf fwknopd fwknop fwknopd-fleet build
