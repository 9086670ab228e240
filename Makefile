GO ?= go
LINT := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.5.0
# What the tests run beside Go, by the names of the programs.
TOOLS := postconf patch ip strace openssl gnutls-cli pkill unbound unbound-control systemd-analyze journalctl

.PHONY: help build install uninstall demo test faults neighbour posture dane check alldns fuzz bench bench-census bench-listen bench-probe probe-oracles screenshots step-ca versions clean

## make demo         try it: wizard on a private Postfix; on a pipe, the same by flags
demo: build
	@sh .ci/install postconf || echo "Postfix cannot be had here: see above."
	@if [ "$$(id -u)" != 0 ] && command -v sudo >/dev/null; then sudo ./postseal demo; else ./postseal demo; fi

## make test         install what the tests need, and run them all (as root: the stories need it); make check vets
LONG := ./internal/faults ./internal/apply ./internal/lineage ./internal/rehearse ./internal/probe
test:
	@sh .ci/install $(TOOLS)
	$(GO) test -vet=off -timeout 20m -parallel 3 $(LONG) $$($(GO) list ./... | grep -v internal/story) # the longest first, so that none is left alone at the end
	$(GO) test -vet=off -timeout 25m -parallel 4 ./internal/story # alone, since it mostly waits: for terminals and for a Postfix

## make build        ./postseal, and ./postseal-probe, which only looks from outside; each one file without libraries
build:
	CGO_ENABLED=0 $(GO) build -trimpath -o . ./cmd/postseal ./cmd/postseal-probe

## make install      to /usr/local/bin, with man page, completion, and units that are not switched on
install: build
	install -D -m 755 -t $(DESTDIR)/usr/local/bin postseal postseal-probe
	install -D -m 644 -t $(DESTDIR)/usr/local/lib/systemd/system templates/postseal-renew.service templates/postseal-renew.timer templates/postseal-listen.service templates/postseal-policy.service templates/postseal-policy.timer
	mkdir -p $(DESTDIR)/usr/local/share/man/man1 && ./postseal man $(DESTDIR)/usr/local/share/man/man1
	mkdir -p $(DESTDIR)/usr/local/share/bash-completion/completions
	./postseal completion bash > $(DESTDIR)/usr/local/share/bash-completion/completions/postseal

## make uninstall    remove what make install installed, and nothing that postseal made
uninstall:
	@[ -n "$(DESTDIR)" ] || [ ! -d /run/systemd/system ] || systemctl disable --now postseal-renew.timer postseal-policy.timer || true # it may be gone already
	rm -f $(DESTDIR)/usr/local/bin/postseal $(DESTDIR)/usr/local/bin/postseal-probe $(DESTDIR)/usr/local/lib/systemd/system/postseal-renew.service $(DESTDIR)/usr/local/lib/systemd/system/postseal-renew.timer $(DESTDIR)/usr/local/lib/systemd/system/postseal-listen.service $(DESTDIR)/usr/local/lib/systemd/system/postseal-policy.service $(DESTDIR)/usr/local/lib/systemd/system/postseal-policy.timer
	rm -f $(DESTDIR)/usr/local/share/man/man1/postseal.1 $(DESTDIR)/usr/local/share/man/man1/postseal-*.1 $(DESTDIR)/usr/local/share/bash-completion/completions/postseal

## make alldns       ./postseal-alldns: also with the DNS providers that bring many modules with them
alldns:
	cd certs/dnsproviders && $(GO) run ./gen -all
	cp go.mod alldns.mod && cp go.sum alldns.sum
	$(GO) mod tidy -modfile=alldns.mod && \
	CGO_ENABLED=0 $(GO) test -tags alldns -modfile=alldns.mod -run TestAllCanBeMade ./certs/acme/legodns && \
	CGO_ENABLED=0 $(GO) build -trimpath -tags alldns -modfile=alldns.mod -o postseal-alldns ./cmd/postseal; \
	code=$$?; rm -f alldns.mod alldns.sum certs/dnsproviders/heavy_gen.* certs/acme/legodns/heavy_gen.go; exit $$code

## make check        format, vet, directions of imports, lint
check:
	@out="$$(gofmt -l cmd certs internal screenshots templates wizard)"; [ -z "$$out" ] || { echo "gofmt: $$out"; exit 1; }
	$(GO) mod tidy -diff
	$(GO) vet ./...
	$(GO) test ./internal
	$(GO) run $(LINT) run ./...

## make fuzz         every fuzz target, TIME each (30s)
TIME ?= 30s
fuzz:
	@for p in $$($(GO) list ./...); do \
		for f in $$($(GO) test -list '^Fuzz' $$p | grep '^Fuzz'); do \
			echo "$$p $$f"; $(GO) test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(TIME) $$p || exit 1; \
		done; \
	done

## make faults       kill, fail and fill the disk at every change of a run, and worse (root); takes hours, or PART=3/24
PARTS ?= 24
PART ?= $(shell seq -f '%g/$(PARTS)' $(PARTS))
faults:
	@sh .ci/install $(TOOLS)
	@dir=$$(mktemp -d); trap 'rm -rf "$$dir"' EXIT; \
	$(GO) test -c -o $$dir/faults.test ./internal/faults && cd internal/faults || exit 1; code=0; \
	for part in $(PART); do \
		echo "part $$part, $$(date +%T)"; \
		{ $$dir/faults.test -test.timeout 60m -test.parallel 3 -all -part $$part 2>&1; echo $$? >$$dir/code; } | tee -a $$dir/out; \
		[ "$$(cat $$dir/code)" = 0 ] || code=1; \
	done; \
	awk '/^all .* faults injected/ { n++; i += $$2; s += $$5; l += $$7 } END { print n + 0 " parts: " i + 0 " faults injected, " s + 0 " survived, " l + 0 " lost" }' $$dir/out; \
	exit $$code

## make dane         verdicts on generated zones and chains, against a real posttls-finger (root; N=400, SEED=...)
dane:
	@sh .ci/install postconf unbound unbound-control ip
	$(GO) test -count=1 -timeout 60m -v -run 'TestPostfix$$' ./internal/dane -cases $(if $(filter file,$(origin N)),400,$(N)) -seed $(SEED)

## make posture      what listeners and routes of generated configurations do, against a real Postfix (root; N=60, SEED=...)
N ?= 60
SEED ?= 0
posture:
	@sh .ci/install $(TOOLS)
	$(GO) test -count=1 -timeout 60m -v -run 'TestListeners$$|TestScreens$$|TestRoutes$$' ./internal/posture -configurations $(N) -seed $(SEED)

## make neighbour    run every verb where a hostile second account has been, under four umasks (root)
neighbour:
	@sh .ci/install $(TOOLS)
	@dir=$$(mktemp -d); trap 'rm -rf "$$dir"' EXIT; \
	$(GO) test -c -o $$dir/faults.test ./internal/faults && cd internal/faults && $$dir/faults.test -test.timeout 60m -test.run 'TestNeighbour$$' -all
	$(GO) test -count=1 -run 'TestWebrootRace$$' -v ./certs/acme

## make bench        the figures of README
bench:
	@sh .ci/install postconf
	$(GO) test -run '^$$' -bench . -benchmem ./internal/report ./internal/posture ./internal/rehearse ./wizard ./internal/story

## make bench-listen  postseal listen beside 2,000 handshakes per second: loss, CPU and memory (root; RATE=...)
RATE ?= 2000
bench-listen:
	@dir=$$(mktemp -d); trap 'rm -rf "$$dir"' EXIT; \
	CGO_ENABLED=0 $(GO) build -trimpath -o $$dir ./cmd/postseal && \
	$(GO) test -count=1 -run 'TestLoad$$' ./internal/listen -postseal $$dir/postseal -rate $(RATE) -v

## make bench-probe  postseal-probe against sslscan, nmap and testssl, side by side
bench-probe:
	@sh .ci/install $(TOOLS) sslscan nmap testssl time npm
	@dir=$$(mktemp -d); trap 'rm -rf "$$dir"' EXIT; \
	npm install --silent --no-audit --no-fund --prefix $$dir/node24 node@24 && \
	$(GO) test -count=1 -timeout 20m -run 'TestPeers$$|TestMLKEM$$' ./internal/probe -peers -nodes $$dir -v

## make bench-census  postseal census against grep, ripgrep, pflogsumm and zcat on a generated log (SIZE=1073741824, RUNS=5)
SIZE ?= 1073741824
RUNS ?= 5
bench-census:
	@sh .ci/install rg pflogsumm
	$(GO) test -count=1 -timeout 60m -v -run 'TestSpeed$$' ./internal/census -size $(SIZE) -runs $(RUNS)

## make probe-oracles  postseal probe and listen on the OpenSSL of other times: 1.0.2 (node 4) and 3.5 (node 24)
probe-oracles:
	@sh .ci/install $(TOOLS) npm
	@dir=$$(mktemp -d); trap 'rm -rf "$$dir"' EXIT; \
	for n in 4 24; do npm install --silent --no-audit --no-fund --prefix $$dir/node$$n node@$$n || exit 1; done; \
	$(GO) test -count=1 -run 'TestOldOpenSSL|TestMLKEM' -v ./internal/probe ./internal/listen -nodes $$dir

## make screenshots  the pictures, from the stories that test the same screens
screenshots:
	@sh .ci/install $(TOOLS)
	$(GO) test ./internal/story -count=1 -snap "$(CURDIR)/screenshots"

## make step-ca      a certificate for both uses from a private CA as people run it, and two Postfixes that trust it (root)
STEPCA := github.com/smallstep/certificates/cmd/step-ca@v0.28.4
step-ca:
	@sh .ci/install postconf
	@dir=$$(mktemp -d); trap 'rm -rf "$$dir"' EXIT; \
	GOBIN=$$dir CGO_ENABLED=0 $(GO) install $(STEPCA) && POSTSEAL_STEPCA=$$dir/step-ca $(GO) test -count=1 -run TestStepCA -v ./internal/lineage

## make versions     the demo on the Postfix of other Debian suites (root; SUITES=...)
SUITES ?= bullseye trixie sid
versions: build
	@sh .ci/install ip
	sh internal/lab/versions.sh $(SUITES)

clean:
	rm -f postseal postseal-probe postseal-alldns

help:
	@sed -n 's/^## //p' Makefile
