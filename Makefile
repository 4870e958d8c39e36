# Everything here needs Go and nothing else; what a check needs more, go fetches itself.
.POSIX:

# make build VERSION=v1.2.3; without it the binary names the commit it was built from.
VERSION =
# How long make fuzz spends on each target.
FUZZTIME = 10s
# sqlc is built once to run once: without C, and only its parser, which is all that it spends time in, is optimised.
SQLC = CGO_ENABLED=0 GOGC=400 go run -modfile=.ci/tools.mod -ldflags=-w '-gcflags=all=-N -l' -gcflags=std= \
	-gcflags=github.com/antlr4-go/antlr/v4= github.com/sqlc-dev/sqlc/cmd/sqlc
SECURITY = go tool -modfile=.ci/security.mod
BUILD = CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X bursar/app.release=$(VERSION)'

.PHONY: build test check format vet generated browser generate bench bench-million flood chaos fuzz security release reproducible clean

build:
	$(BUILD) -o bursar .

# The detector watches everything but SQLite's engine, which is C turned into Go: it has its own locks, and watching it is
# half of the time. The rest of modernc.org has to be watched: its generics are shared with our code, which is then
# accused of races it has not. The pointer checks are left out everywhere: they find nothing in code without unsafe.
RACE = -race -gcflags=all=-d=checkptr=0 -gcflags=modernc.org/sqlite/lib=-race=false

# Less collecting of garbage, which the detector makes dear; and each binary, of which there are twenty, does not wait a
# second at its end for races that are still to come, but a tenth. Tests wait for disks and clocks more than they work.
TESTENV = GOGC=400 GORACE=atexit_sleep_ms=100
TESTFLAGS = -timeout 10m -parallel 4

# All checks, whichever of them fails, and then the tests.
test:
	@failed=0; race='$(RACE)'; \
	$(MAKE) -k -s check || failed=1; \
	$(MAKE) -s browser; \
	if ! why=$$(go build -race runtime/race 2>&1); then \
		race=; \
		echo "NOT RUN: the race detector; it needs cgo and a C compiler:"; \
		echo "$$why"; \
	fi; \
	echo "go test $$race ./..."; \
	$(TESTENV) go test $$race $(TESTFLAGS) ./... || failed=1; \
	exit $$failed

check: format vet generated

format:
	@echo gofmt; \
	files=$$("$$(go env GOROOT)/bin/gofmt" -l .) || exit 1; \
	if [ -n "$$files" ]; then echo "not formatted, run gofmt -w on:"; echo "$$files"; exit 1; fi

# With the flags of the tests, where they can be: what both need is compiled once.
vet:
	@echo go vet ./...; race=; if go build -race runtime/race 2>/dev/null; then race='$(RACE)'; fi; go vet $$race ./...

# sqlc has a module file of its own: its 800 MB of dependencies are nobody's but this check's.
generated:
	@echo "generated code (the first time builds sqlc, which takes a minute or two)"; \
	if ! why=$$($(SQLC) version 2>&1); then \
		echo "NOT RUN: whether the code in app/db is what sqlc makes of schema.sql and app/db/query; sqlc could not be built:"; \
		echo "$$why" | tail -n 3; \
	elif ! $(SQLC) diff -f app/db/sqlc.yaml; then \
		echo "app/db is not what sqlc makes of schema.sql and app/db/query: run make generate"; exit 1; \
	fi

# The pages are tested in a real browser where there is one, or root can get one.
browser:
	@command -v chromium >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
		{ apt-get update -qq && apt-get install -y -qq chromium; } >/dev/null 2>&1; } || \
		echo "NOT RUN: the pages in a real browser; install chromium (apt-get install chromium) and run make test again"

generate:
	$(SQLC) generate -f app/db/sqlc.yaml

# Every benchmark is run from here.
bench:
	go test -run='^$$' -bench=. -benchmem ./app/...

# The same comparison over a million customers; it takes about a quarter of an hour.
bench-million:
	BURSAR_BENCH_LONG=1 go test -run='^$$' -bench=Reconcile/1000000 -benchtime=1x -timeout=0 ./app/reconcile

fuzz:
	@for pkg in $$(go list ./app/...); do \
		targets=$$(go test -list '^Fuzz' "$$pkg") || { echo "$$targets"; exit 1; }; \
		for target in $$(echo "$$targets" | grep '^Fuzz'); do \
			echo "$$pkg $$target"; \
			go test -run='^$$' -fuzz="^$$target\$$" -fuzztime=$(FUZZTIME) "$$pkg" || exit 1; \
		done; \
	done

# A minute of 2,000 forged events a second, with signed ones beside them.
flood:
	go test -run='^$$' -bench=Flood -benchtime=1x -timeout=10m ./app/server

# Kills serve 25 times under load; make test kills it 6 times.
chaos:
	BURSAR_TEST_KILLS=25 go test -count=1 -v -run='^TestKilledUnderLoad$$' ./app

# Looks for known holes in the modules, and for careless code. Rules that are left out, and why, are in docs/security.md.
security:
	@failed=0; \
	if ! why=$$($(SECURITY) govulncheck ./... 2>&1); then \
		if echo "$$why" | grep -q '^Vulnerability #'; then echo "$$why"; failed=1; \
		else echo "NOT RUN: govulncheck; its database could not be reached:"; echo "$$why" | tail -n 3; fi; \
	fi; \
	$(SECURITY) gosec -quiet -exclude-generated -exclude=G101,G104,G115,G203,G304,G404 ./... || failed=1; \
	exit $$failed

# Binaries with their checksums in dist/.
release:
	@test -n "$(VERSION)" || { echo "say which: make release VERSION=v1.2.3"; exit 1; }
	rm -rf dist && mkdir dist
	for target in linux/amd64 linux/arm64 darwin/amd64 darwin/arm64; do \
		GOOS=$${target%/*} GOARCH=$${target#*/} $(BUILD) -o dist/bursar-$(VERSION)-$${target%/*}-$${target#*/} . || exit 1; \
	done
	cd dist && sha256sum bursar-* > SHA256SUMS

# Builds twice, in two places and with an empty cache, and compares.
reproducible:
	@dir=$$(mktemp -d) && mkdir $$dir/copy $$dir/cache && git archive HEAD | tar -x -C $$dir/copy && \
	git archive HEAD | (mkdir $$dir/first && tar -x -C $$dir/first) && \
	(cd $$dir/first && $(BUILD) -buildvcs=false -o $$dir/a .) && \
	(cd $$dir/copy && GOCACHE=$$dir/cache $(BUILD) -buildvcs=false -o $$dir/b .) && \
	cmp $$dir/a $$dir/b && sha256sum $$dir/a && echo "both builds are the same"; \
	status=$$?; rm -rf $$dir; exit $$status

clean:
	rm -rf dist
	rm -f bursar
