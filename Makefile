# cdcsync: every target does its own set-up; all of them need is Go (and a network, once, for
# the modules). The tests also fetch database servers, once, from Debian's mirror that apt
# uses; CDCSYNC_TEST_POSTGRES and its like give them one instead. See integration/servers/doc.go.

GO      ?= go
BIN     := bin/cdcsync
# VERSION is printed by "cdcsync version".
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X main.version=$(VERSION)
# BUILDVCS puts the commit into the binary, unless the sources come without one.
BUILDVCS ?= $(shell git rev-parse HEAD >/dev/null 2>&1 && echo true || echo false)
# COUNT=1 runs the tests again although nothing changed.
COUNT   ?=
# TIMEOUT is for each package: machines are slow at times, and none should hang.
TIMEOUT ?= 45m
# PACKAGES and PARALLEL are how many packages are tested beside each other, and tests of each: more than
# there are processors, because many wait for something.
PROCESSORS := $(or $(shell getconf _NPROCESSORS_ONLN 2>/dev/null),2)
PACKAGES ?= $(shell expr $(PROCESSORS) + 1)
PARALLEL ?= $(shell expr $(PROCESSORS) \* 2)
# CDCSYNC_TEST_DATA is where the servers of the tests have their data: in memory, if 8 GB are free there.
# Each database of PostgreSQL is 300 files, and ext4 takes long to make files soon after others were
# removed; that was up to half of what the tests did. Benchmarks have their data on the disk.
CDCSYNC_TEST_DATA ?= $(shell df -Pk /dev/shm 2>/dev/null | awk -v uid="$$(id -u)" 'NR == 2 && $$4 > 8*1024*1024 { print "/dev/shm/cdcsync-test-" uid }')
# HISTORIES is how many random histories the long programme runs.
HISTORIES ?= 200000
# WAL_HISTORIES is how many, of 1,000 transactions each, the reader of SQLite's log follows, and
# how many of several connections beside each other.
WAL_HISTORIES ?= 500
# FAULTS is how many seeds of bad networks are run for each pair of engines, CRASHES how often a
# link ends at each of its steps there, CLOCKS how many seeds of clocks that jump are run, RELOADS
# how often a program is killed while it reads its config again, for each of ten pairs, KILLS how often
# one is killed, STANDBYS how often each standby takes over a side while both are written to.
FAULTS    ?= 20
CLOCKS    ?= 5
RELOADS   ?= 100
STANDBYS  ?= 5
CRASHES   ?= 20
KILLS     ?= 500
# FUZZTIME is for each target, FUZZ_BUDGET for all of them: where it is short, each gets less. 0 is any time.
FUZZTIME    ?= 1m
FUZZ_BUDGET ?= 0
# VULNDB is where govulncheck asks; file:///… is a copy of vuln.go.dev, for where there is no network.
VULNDB    ?= https://vuln.go.dev
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.1.4
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/cdcsync, one static binary
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=$(BUILDVCS) -ldflags '$(LDFLAGS)' -o $(BIN) ./cmd/cdcsync

.PHONY: man
man: ## write the man pages anew, packaging/man
	$(GO) test ./cmd/cdcsync -run TestManPages -update

.PHONY: openapi
openapi: ## write admin/openapi.json anew
	$(GO) test ./admin -run TestOpenAPIDocument -update

.PHONY: console-test
console-test: ## drive the console with a browser (fetches Debian's chromium-headless-shell)
	CDCSYNC_CONSOLE_TEST=1 $(GO) test -count=1 -run 'TestConsole|TestChromium' ./integration ./integration/servers

.PHONY: compose-test
compose-test: ## build the image, and run what compose.yml and docker-compose.test.yml say (needs Docker)
	CDCSYNC_COMPOSE_TEST=1 $(GO) test -count=1 -timeout $(TIMEOUT) -v -run TestCompose ./integration

.PHONY: loop-test
loop-test: ## have another replication carry rows back, until the breaker trips
	CDCSYNC_LOOP_TEST=1 $(GO) test -count=1 -run TestBreakerLoop ./integration

.PHONY: memory-test
memory-test: ## carry half a gigabyte of one transaction on each engine, in 128 MB of memory
	CDCSYNC_MEMORY_MB=500 $(GO) test -count=1 -v -run TestMemoryHugeTransaction ./integration

.PHONY: release-test
release-test: ## make a release twice, and compare them to the byte
	CDCSYNC_RELEASE_TEST=1 $(GO) test -count=1 -run TestReleaseIsReproducible ./integration

.PHONY: release
release: ## archives, checksums and bills of materials for every platform, in dist
	packaging/release.sh dist

.PHONY: demo
demo: build ## two databases that stay the same, for ten seconds
	$(BIN) demo --for 10s

.PHONY: test
test: sqlite3 ## go vet and every test
	$(GO) vet ./...
	CDCSYNC_TEST_DATA=$(CDCSYNC_TEST_DATA) $(GO) test -timeout $(TIMEOUT) -p $(PACKAGES) -parallel $(PARALLEL) $(if $(COUNT),-count=$(COUNT)) ./...

.PHONY: race
race: sqlite3 ## every test under the race detector, the long ones short (needs a C compiler)
	CGO_ENABLED=1 $(GO) test -timeout $(TIMEOUT) -race -short $(if $(COUNT),-count=$(COUNT)) ./...

.PHONY: lint
lint: ## go vet, gofmt and staticcheck
	$(GO) vet ./...
	@files=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$files" || { echo "not formatted: $$files" >&2; exit 1; }
	$(GO) run $(STATICCHECK) ./...

.PHONY: vulncheck
vulncheck: ## known vulnerabilities in what the program calls (asks VULNDB=https://vuln.go.dev)
	$(GO) run $(GOVULNCHECK) -db '$(VULNDB)' ./cmd/cdcsync

.PHONY: bench
bench: ## every benchmark
	$(GO) test -run '^$$' -bench . -benchmem ./...

.PHONY: bench-peers
bench-peers: ## whole links beside native replication and loaders, on servers of their own
	$(GO) run ./integration/bench

.PHONY: stages
stages: ## what each stage takes for a change, in time and memory, beside what was recorded
	$(GO) run ./integration/bench --stages integration/bench/stages.json

.PHONY: torture
torture: sqlite3 ## the long programme: HISTORIES=200000 random histories, WAL_HISTORIES=500 of SQLite files, FAULTS=20 bad networks and CRASHES=20 ends at each step for each pair, CLOCKS=5 seeds of clocks that jump, KILLS=500, every test ten times
	CDCSYNC_HISTORIES=$(HISTORIES) $(GO) test -count=1 -timeout 0 -v -run 'Histor' ./router
	CDCSYNC_WAL_HISTORIES=$(WAL_HISTORIES) $(GO) test -count=1 -timeout 0 -v -run 'Histor|Live' ./sources/sqlite/wal
	CDCSYNC_FAULTS=$(FAULTS) $(GO) test -count=1 -timeout 0 -v -run 'TestNetworkFaults|TestDeadWithoutASign' ./integration
	CDCSYNC_CRASHES=$(CRASHES) $(GO) test -count=1 -timeout 0 -v -run 'TestCrashPoints|TestServersNotice' ./integration
	CDCSYNC_CLOCKS=$(CLOCKS) $(GO) test -count=1 -timeout 0 -v -run TestClock ./integration ./integration/servers
	CDCSYNC_KILLS=$(KILLS) $(GO) test -count=1 -timeout 0 -v -run TestKill ./integration
	CDCSYNC_RELOADS=$(RELOADS) $(GO) test -count=1 -timeout 0 -v -run TestReloadKilled ./integration
	CDCSYNC_DISKS=1 $(GO) test -count=1 -timeout 0 -v -run TestServerLogDiskFull ./integration
	CDCSYNC_STANDBYS=$(STANDBYS) $(GO) test -count=1 -timeout 0 -v -run TestStandbyTakesOver ./integration
	$(GO) test -count=10 -timeout 0 ./...

.PHONY: fuzz
fuzz: ## each fuzz target for FUZZTIME=1m, all of them within FUZZ_BUDGET=0 (any time)
	@$(GO) run ./integration/fuzz --time $(FUZZTIME) --budget $(FUZZ_BUDGET)

.PHONY: clean
clean: ## remove what was built
	rm -rf bin dist

# Some tests let the sqlite3 shell write beside us, as other programs do. Where it is missing
# and cannot be installed, they fail and say so.
.PHONY: sqlite3
sqlite3:
	@command -v sqlite3 >/dev/null || ! command -v apt-get >/dev/null || { \
		if [ "$$(id -u)" = 0 ]; then as=; elif sudo -n true 2>/dev/null; then as=sudo; else exit 0; fi; \
		echo "installing the sqlite3 shell for tests"; \
		$$as apt-get install -y -q sqlite3 >/dev/null 2>&1 || \
		{ $$as apt-get update -q >/dev/null 2>&1 && $$as apt-get install -y -q sqlite3 >/dev/null 2>&1; } || \
		echo "sqlite3 could not be installed: the tests that need it will fail" >&2; }
