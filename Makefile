# Everything that a person or a machine does with this tree. `make` alone lists it.

GO          ?= go
STATICCHECK ?= $(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2
# How long `make fuzz` spends on each target.
FUZZTIME    ?= 30s
# Passed to each `go test` of test and race, for example TESTFLAGS='-run Shop -v'.
TESTFLAGS   ?=
BENCHFLAGS  ?= -benchmem -count 1

# The module at the top and the nested ones, found, so that a new one can't be forgotten.
MODULES := $(sort $(patsubst %/go.mod,%,$(shell find . -name go.mod -not -path '*/testdata/*' -not -path './.git/*')))

# $(call each,COMMAND) runs COMMAND in every module and fails when one of the runs failed.
each = status=0; for module in $(MODULES); do \
	echo "== $$module: $(1)"; (cd $$module && $(1)) || status=1; done; exit $$status

# $(call reported,COMMAND) does the same with tests, and ends with what they couldn't test for want of a server.
reported = report=$$(mktemp) || exit 1; (export ASHERAH_TEST_REPORT="$$report"; $(call each,$(1))); status=$$?; \
	if [ -s "$$report" ]; then echo "== what was not tested:"; cat "$$report"; else echo "== no test was left out for want of a server"; fi; \
	rm -f "$$report"; exit $$status

.DEFAULT_GOAL := help
.PHONY: help setup test foreign galera soundness oracle race fuzz lint bench quickstart

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## fetch what builds and tests need
	@$(call each,$(GO) mod download)

test: setup ## every test of every module; they start (and install) the servers that they need
	@$(call reported,$(GO) test $(TESTFLAGS) ./...)

foreign: setup ## the drivers' own test suites, bare and through the wrapper (needs a C compiler)
	@cd integration/foreign && $(GO) vet -tags foreign ./... && \
	ASHERAH_TEST_REQUIRE=postgres,mariadb CGO_ENABLED=1 $(GO) test -tags foreign -count 1 -timeout 30m -v $(TESTFLAGS) .

galera: setup ## keys made at three nodes of a MariaDB cluster at once (half a minute)
	@$(GO) vet -tags galera ./driver/mysql && \
	ASHERAH_TEST_REQUIRE=mariadb $(GO) test -tags galera -count 1 -v -run Galera $(TESTFLAGS) ./driver/mysql

soundness: ## 20,000 generated statements a database through the driver, and as many planned ones and mutants (ten minutes; test runs a part)
	@ASHERAH_TEST_REQUIRE=postgres,mariadb $(GO) test -count 1 -timeout 60m -v -run NoGenerated $(TESTFLAGS) ./driver/sqlite ./driver/postgres ./driver/mysql -marked 20000 && \
	ASHERAH_TEST_REQUIRE=postgres,mariadb $(GO) test -count 1 -timeout 60m -v -run Sound $(TESTFLAGS) ./internal/sqlplan -statements 20000

oracle: ## sqlplan's reading of statements against other people's grammars, all of it (five minutes; test runs a part)
	@cd internal/sqlplan/oracle && $(GO) test -count 1 -timeout 60m -v $(TESTFLAGS) . -full

race: ## every test under the race detector (needs a C compiler)
	@$(call reported,CGO_ENABLED=1 $(GO) test -race $(TESTFLAGS) ./...)

fuzz: ## each fuzz target for FUZZTIME
	@GO='$(GO)' .ci/fuzz $(FUZZTIME)

lint: ## gofmt, go vet, staticcheck
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then echo "gofmt these:"; echo "$$unformatted"; exit 1; fi
	@$(call each,$(GO) vet ./...)
	@$(call each,$(STATICCHECK) ./...)

bench: ## every benchmark
	@$(call each,$(GO) test -run '^$$' -bench . $(BENCHFLAGS) ./...)

quickstart: ## the two-minute demonstration
	@$(GO) run ./examples/quickstart
