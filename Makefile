# Sluice. One Makefile for everything; `make help` lists the targets.
#
# Two variants of every object are built side by side: build/ (release) and build/asan/ (address and undefined
# behaviour sanitizers, used by the tests). Nothing is written outside build/ and www/node_modules/.

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules
# As many things at once as there are processors; `make -j1` below a make of its own still does one at a time.
JOBS     := $(shell nproc)
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(JOBS)
endif

VERSION  := 0.1.0
PORT     ?= 8080
DATA_DIR ?=
prefix   ?= /usr/local
DESTDIR  ?=

CC       ?= cc
ifeq ($(origin CC),default)
CC       := gcc
endif

PACKAGES := fcgi libcurl jansson sqlite3 libpq libsodium libssl libcrypto expat libutf8proc libavformat libavcodec libavutil libswresample
# For sluice-js alone; Debian 12 has both.
JSC       = $(shell pkg-config --exists javascriptcoregtk-4.0 && echo javascriptcoregtk-4.0 || echo javascriptcoregtk-4.1)
# Looked up when something is compiled, not when make starts: the packages may be installed by this very run.
PKG_CFLAGS = $(shell pkg-config --cflags $(PACKAGES) $(JSC))
PKG_LIBS   = $(shell pkg-config --libs $(PACKAGES))

WARN     := -Wall -Wextra -Wshadow -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 \
            -Wwrite-strings -Wundef -Wno-format-nonliteral
BASE_FLAGS := -std=gnu11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DSLUICE_VERSION='"$(VERSION)"' -Isrc $(WARN) -g \
            -fno-omit-frame-pointer -pthread
REL_FLAGS  := -O2 -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE
ASAN_FLAGS := -O1 -Werror -fsanitize=address,undefined -fno-sanitize-recover=all -fPIE
TSAN_FLAGS := -O1 -Werror -fsanitize=thread -fPIE
REL_LINK   := -pie -pthread -Wl,-z,relro,-z,now
ASAN_LINK  := -pie -pthread -fsanitize=address,undefined
TSAN_LINK  := -pie -pthread -fsanitize=thread
CFLAGS   ?=
LDFLAGS  ?=

LIB_SRC   := $(sort $(wildcard src/*/*.c src/*/*/*.c src/*/*/*/*.c))
DOORS     := info stream admin
DOOR_SRC  := $(sort $(wildcard cgi-bin/*.c))
UNIT_SRC  := $(sort $(wildcard tests/unit/test_*.c))
FUZZ_SRC  := $(sort $(wildcard tests/fuzz/fuzz_*.c))
UNITS     := $(patsubst tests/unit/%.c,%,$(UNIT_SRC))
# test_work: the ring between a job and the loop
TSAN_UNITS := test_gate test_live test_work test_limits test_credit test_tally test_hedge
FUZZERS   := $(patsubst tests/fuzz/%.c,%,$(FUZZ_SRC))
EMBEDDED  := $(sort $(wildcard sql/*.sql)) src/site/youtube/clients.json src/site/engines/ytdlp.py \
             $(sort $(wildcard cgi-bin/*.conf cgi-bin/shared.* cgi-bin/*.socket cgi-bin/*.service))

B := build
HELPERS  := sluice-keep sluice-js sluice-dlp
# `sluice`: whatever of cgi-bin/ is not a program of its own
TOOL_SRC := $(filter-out $(patsubst %,cgi-bin/%.c,$(DOORS) $(HELPERS)),$(DOOR_SRC))
PROGRAMS := $(DOORS:%=$(B)/cgi-bin/%.fcgi) $(B)/cgi-bin/sluice $(HELPERS:%=$(B)/cgi-bin/%)
ASAN_PROGRAMS := $(DOORS:%=$(B)/asan/cgi-bin/%.fcgi) $(B)/asan/cgi-bin/sluice $(HELPERS:%=$(B)/asan/cgi-bin/%)

# ---------------------------------------------------------------------------------------------------------------
# For people

.PHONY: screenshots help all run demo test unit fuzz-check integration browser check-long lint check-asan check-tsan bench fuzz install clean deps-%

help: ## Show this list
	@awk -F':.*## ' '/^[a-zA-Z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

all: $(PROGRAMS) $(B)/www/.stamp ## Build the programs and the pages

run: deps-run ## Install what is missing, build, serve on http://127.0.0.1:8080 (PORT=, DATA_DIR=)
	@$(MAKE) --no-print-directory all
	@exec $(B)/cgi-bin/sluice serve --port '$(PORT)' --data-dir '$(or $(DATA_DIR),$(CURDIR)/build/run)'

demo: deps-demo ## The same with a bundled stand-in for the internet: sample links work without network
	@$(MAKE) --no-print-directory all
	@exec node tests/origin/demo.mjs --port '$(PORT)' --data-dir '$(or $(DATA_DIR),$(CURDIR)/build/run/demo)'

test: deps-test ## Everything CI runs: unit tests, fuzz corpora, integration, browser
	@$(MAKE) --no-print-directory all unit fuzz-check check-layers
	@$(MAKE) --no-print-directory integration
	@$(MAKE) --no-print-directory browser
	@echo 'make test: all passed'

# The sandbox leaves a door open to the sanitizers, so its test runs without them as well.
unit: $(UNITS:%=$(B)/asan/tests/%.ok) $(B)/tests/test_sandbox.ok ## Unit tests, under address and undefined-behaviour sanitizers
fuzz-check: $(FUZZERS:%=$(B)/asan/fuzz/%.ok) ## Every fuzz target over its corpus

check-asan: unit fuzz-check integration ## All C code under sanitizers: unit tests, corpora, integration

TSAN_PROGRAMS := $(DOORS:%=$(B)/tsan/cgi-bin/%.fcgi) $(B)/tsan/cgi-bin/sluice
check-tsan: $(TSAN_UNITS:%=$(B)/tsan/tests/%.ok) $(TSAN_PROGRAMS) all ## What several threads share, under the thread sanitizer: unit tests, and the suites that send
	SLUICE_BIN='$(CURDIR)/$(B)/tsan/cgi-bin' node --test --test-reporter=spec \
	  $(addprefix tests/integration/,$(addsuffix .test.mjs,stream faults merge-faults fault-run parallel made limits pump jobs slices tiers))

# These suites wait more than they work: three at once also on two processors. Browsers work.
SUITES    = node --test --test-reporter=spec --test-concurrency=$$(( $(JOBS) > 3 ? $(JOBS) : 3 ))
check-long: all $(ASAN_PROGRAMS) ## Minutes long: 200 rounds of killing stream.fcgi while it writes slices
	SLUICE_SLICE_ROUNDS=200 SLUICE_BIN='$(CURDIR)/$(B)/asan/cgi-bin' node --test --test-reporter=spec tests/integration/slices.test.mjs

integration: all $(ASAN_PROGRAMS) $(B)/www/.stamp ## Real web servers, sanitized programs, the local origin
	SLUICE_BIN='$(CURDIR)/$(B)/asan/cgi-bin' $(SUITES) tests/integration/*.test.mjs

browser: all ## The pages in headless Chromium
	SLUICE_BIN='$(CURDIR)/$(B)/cgi-bin' node --test --test-reporter=spec tests/browser/*.test.mjs

bench: deps-bench ## Measure, with peers in the same run; prints the table (BENCH="info stream": only these)
	@$(MAKE) --no-print-directory all $(B)/bench/empty $(B)/bench/tunnel
	@node tests/bench/bench.mjs $(BENCH)

screenshots: deps-test ## Take the pictures in www/docs/screenshots/ anew
	@$(MAKE) --no-print-directory all
	@SLUICE_BIN='$(CURDIR)/$(B)/cgi-bin' node tests/browser/screenshots.mjs

fuzz: deps-lint ## Fuzz every target with libFuzzer for FUZZ_S seconds each (default 60)
	@$(MAKE) --no-print-directory $(FUZZERS:%=$(B)/libfuzzer/%)
	@for f in $(FUZZERS); do echo "== $$f"; mkdir -p $(B)/libfuzzer/found/$$f; \
	  ( cd $(B)/libfuzzer && ./$$f -max_total_time=$${FUZZ_S:-60} -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
	    found/$$f '$(CURDIR)'/tests/fuzz/corpus/$${f#fuzz_} ) || exit 1; done

lint: deps-lint ## clang-format, clang-tidy, cppcheck, gcc -fanalyzer, layers, shellcheck, eslint
	@for check in layers format tidy cppcheck analyzer shell js; do $(MAKE) --no-print-directory check-$$check || exit 1; done
	@echo 'make lint: clean'

install: all ## Place files by the FHS below $(DESTDIR)$(prefix)
	to='$(DESTDIR)$(prefix)' && \
	install -d "$$to/lib/sluice/cgi-bin" "$$to/bin" "$$to/share/sluice" "$$to/share/doc/sluice" && \
	install -m 755 $(DOORS:%=$(B)/cgi-bin/%.fcgi) "$$to/lib/sluice/cgi-bin/" && \
	install -m 755 $(HELPERS:%=$(B)/cgi-bin/%) "$$to/lib/sluice/cgi-bin/" && \
	install -m 755 $(B)/cgi-bin/sluice "$$to/bin/sluice" && \
	cp -R $(B)/www "$$to/share/sluice/" && rm -f "$$to/share/sluice/www/.stamp" && \
	chmod -R a+rX "$$to/share/sluice/www" && \
	install -m 644 src/site/youtube/clients.json "$$to/share/sluice/clients.json" && \
	install -m 644 README.md "$$to/share/doc/sluice/" && \
	for name in $$($(B)/cgi-bin/sluice snippet); do \
	  $(B)/cgi-bin/sluice snippet "$$name" --docroot '$(prefix)/share/sluice/www' --programs '$(prefix)/lib/sluice/cgi-bin' \
	    --sluice '$(prefix)/bin/sluice' \
	    > "$$to/share/doc/sluice/$$name" || exit 1; \
	done && \
	$(B)/cgi-bin/sluice config --example > "$$to/share/doc/sluice/sluice.conf.example" && \
	install -d "$$to/share/bash-completion/completions" "$$to/share/man/man1" "$$to/share/man/man5" && \
	install -m 644 cgi-bin/sluice.bash "$$to/share/bash-completion/completions/sluice" && \
	$(B)/cgi-bin/sluice help --man > "$$to/share/man/man1/sluice.1" && \
	$(B)/cgi-bin/sluice config --man > "$$to/share/man/man5/sluice.conf.5"

clean: ## Remove everything built (keeps build/run, where `make run` has its data)
	rm -rf $(filter-out $(B)/run,$(wildcard $(B)/*))

# ---------------------------------------------------------------------------------------------------------------
# Installing what is missing: Debian packages by name, npm packages by lock file

deps-%:
	@sh cgi-bin/deps.sh $*

# ---------------------------------------------------------------------------------------------------------------
# Building

$(B)/.flags: force
	@mkdir -p $(@D)
	@echo '$(CC) $(BASE_FLAGS) $(REL_FLAGS) $(ASAN_FLAGS) $(TSAN_FLAGS) $(CFLAGS) $(LDFLAGS)' | cmp -s - $@ || \
	  echo '$(CC) $(BASE_FLAGS) $(REL_FLAGS) $(ASAN_FLAGS) $(TSAN_FLAGS) $(CFLAGS) $(LDFLAGS)' > $@
.PHONY: force

$(B)/gen/embed.c: $(EMBEDDED) src/embed.awk
	@mkdir -p $(@D)
	@LC_ALL=C awk -f src/embed.awk $(EMBEDDED) > $@

LOCALES := $(sort $(wildcard www/locales/*.json))
$(B)/gen/locale.c: $(LOCALES) src/locale.awk
	@mkdir -p $(@D)
	@LC_ALL=C awk -f src/locale.awk $(LOCALES) > $@

# $(call variant,directory,flags,link flags)
define variant
$(1)/obj/%.o: %.c $(B)/.flags
	@mkdir -p $$(@D)
	@echo '  cc $$@'
	@$$(CC) $$(BASE_FLAGS) $(2) $$(PKG_CFLAGS) $$(CFLAGS) -MMD -MP -c $$< -o $$@
$(1)/obj/gen/%.o: $(B)/gen/%.c $(B)/.flags
	@mkdir -p $$(@D)
	@$$(CC) $$(BASE_FLAGS) $(2) $$(CFLAGS) -MMD -MP -c $$< -o $$@
$(1)/libsluice.a: $(LIB_SRC:%.c=$(1)/obj/%.o) $(1)/obj/gen/embed.o $(1)/obj/gen/locale.o
	@rm -f $$@
	@ar rcs $$@ $$^
$(1)/cgi-bin/%.fcgi: $(1)/obj/cgi-bin/%.o $(1)/obj/cgi-bin/common.o $(1)/libsluice.a
	@mkdir -p $$(@D)
	@echo '  ld $$@'
	@$$(CC) $(3) $$(LDFLAGS) -o $$@ $$^ $$(PKG_LIBS)
$(1)/cgi-bin/sluice: $(TOOL_SRC:%.c=$(1)/obj/%.o) $(1)/libsluice.a
	@mkdir -p $$(@D)
	@echo '  ld $$@'
	@$$(CC) $(3) $$(LDFLAGS) -o $$@ $$^ $$(PKG_LIBS)
$(1)/cgi-bin/sluice-dlp: $(1)/obj/cgi-bin/sluice-dlp.o $(1)/obj/cgi-bin/dlp_relay.o $(1)/libsluice.a
	@mkdir -p $$(@D)
	@echo '  ld $$@'
	@$$(CC) $(3) -Wl,--as-needed $$(LDFLAGS) -o $$@ $$^ $$(PKG_LIBS)
$(1)/tests/test_%: $(1)/obj/tests/unit/test_%.o $(1)/libsluice.a
	@mkdir -p $$(@D)
	@echo '  ld $$@'
	@$$(CC) $(3) $$(LDFLAGS) -o $$@ $$^ $$(PKG_LIBS) -lcmocka -lm
$(1)/tests/%.ok: $(1)/tests/%
	@echo '  test $$*'
	@SLUICE_SOURCE_DIR='$(CURDIR)' $$< && touch $$@
$(1)/fuzz/fuzz_%: $(1)/obj/tests/fuzz/fuzz_%.o $(1)/obj/tests/fuzz/corpus_main.o $(1)/libsluice.a
	@mkdir -p $$(@D)
	@echo '  ld $$@'
	@$$(CC) $(3) $$(LDFLAGS) -o $$@ $$^ $$(PKG_LIBS)
endef
$(eval $(call variant,$(B),$$(REL_FLAGS),$$(REL_LINK)))
$(eval $(call variant,$(B)/tsan,$$(TSAN_FLAGS),$$(TSAN_LINK)))
$(eval $(call variant,$(B)/asan,$$(ASAN_FLAGS),$$(ASAN_LINK)))

# Runs player scripts: the parser (npm's, by the lock file) and our solver are built in.
ACORN := www/node_modules/acorn/dist/acorn.js
$(ACORN): www/node_modules/.stamp
$(B)/gen/js.c: $(ACORN) src/site/youtube/challenges/solver.js src/embed.awk
	@mkdir -p $(@D)
	@LC_ALL=C awk -f src/embed.awk $(ACORN) src/site/youtube/challenges/solver.js > $@
FRAMES := $(B)/obj/src/site/youtube/challenges/frame.o
$(B)/cgi-bin/sluice-js: $(B)/obj/cgi-bin/sluice-js.o $(FRAMES) $(B)/obj/gen/js.o
	@mkdir -p $(@D)
	@echo '  ld $@'
	@$(CC) $(REL_LINK) $(LDFLAGS) -o $@ $^ $$(pkg-config --libs $(JSC))
$(B)/obj/gen/js.o: $(B)/gen/js.c $(B)/.flags
	@mkdir -p $(@D)
	@$(CC) $(BASE_FLAGS) $(REL_FLAGS) $(CFLAGS) -MMD -MP -c $< -o $@
$(B)/cgi-bin/sluice-keep: $(B)/obj/cgi-bin/sluice-keep.o $(FRAMES)
	@mkdir -p $(@D)
	@echo '  ld $@'
	@$(CC) $(REL_LINK) $(LDFLAGS) -o $@ $^
# JavaScriptCore and the sanitizers do not share an address space.
$(B)/asan/cgi-bin/sluice-keep $(B)/asan/cgi-bin/sluice-js: $(B)/asan/cgi-bin/%: $(B)/cgi-bin/%
	@mkdir -p $(@D)
	@cp $< $@

$(B)/asan/tests/test_js.ok: $(HELPERS:%=$(B)/cgi-bin/%)

.SECONDARY:

$(B)/bench/%: tests/bench/%.c
	@mkdir -p $(@D)
	@$(CC) $(BASE_FLAGS) $(REL_FLAGS) -o $@ $< -lfcgi $(REL_LINK)

$(B)/asan/fuzz/fuzz_%.ok: $(B)/asan/fuzz/fuzz_% $(wildcard tests/fuzz/corpus/*/*)
	@echo '  corpus $*'
	@$< tests/fuzz/corpus/$* && touch $@

# libFuzzer needs everything compiled by clang with coverage: once, for all targets.
FUZZ_CC    = clang $(filter-out -Wno-format-nonliteral,$(BASE_FLAGS)) -O1 $(PKG_CFLAGS) -MMD -MP
$(B)/libfuzzer/obj/%.o: %.c $(B)/.flags
	@mkdir -p $(@D)
	@echo '  clang $@'
	@$(FUZZ_CC) -fsanitize=fuzzer-no-link,address,undefined -c $< -o $@
$(B)/libfuzzer/obj/gen/%.o: $(B)/gen/%.c $(B)/.flags
	@mkdir -p $(@D)
	@$(FUZZ_CC) -c $< -o $@
$(B)/libfuzzer/libsluice.a: $(LIB_SRC:%.c=$(B)/libfuzzer/obj/%.o) $(B)/libfuzzer/obj/gen/embed.o $(B)/libfuzzer/obj/gen/locale.o
	@rm -f $@
	@ar rcs $@ $^
$(B)/libfuzzer/fuzz_%: $(B)/libfuzzer/obj/tests/fuzz/fuzz_%.o $(B)/libfuzzer/libsluice.a
	@mkdir -p $(@D)
	@echo '  ld $@'
	@clang -fsanitize=fuzzer,address,undefined -o $@ $^ $(PKG_LIBS)

# ---------------------------------------------------------------------------------------------------------------
# Pages: our own files and, beside them, the libraries npm brought

$(B)/www/.stamp: $(shell find www -path www/node_modules -prune -o -type f -print) src/site/link.c src/site/link.h www/node_modules/.stamp
	@echo '  pages $(@D)'
	@sh www/build.sh $(@D)
	@touch $@

www/node_modules/.stamp: www/package-lock.json
	@sh cgi-bin/deps.sh npm
	@touch $@

# ---------------------------------------------------------------------------------------------------------------
# Lint

.PHONY: check-layers check-format check-tidy check-cppcheck check-analyzer check-shell check-js
C_FILES := $(sort $(wildcard src/*/*.[ch] src/*/*/*.[ch] src/*/*/*/*.[ch] cgi-bin/*.[ch] tests/unit/*.[ch] tests/fuzz/*.[ch] www/*.[ch] tests/browser/*.[ch]))

check-layers:
	@awk -f tests/layers.awk src/LAYERS $(filter src/% cgi-bin/%,$(C_FILES))

check-format:
	@clang-format --dry-run --Werror $(C_FILES)

check-tidy: $(B)/gen/embed.c
	@printf '%s\n' $(LIB_SRC) $(DOOR_SRC) | xargs -P $$(nproc) -n 2 sh -c \
	  'clang-tidy --quiet "$$@" -- $(filter-out -Wno-format-nonliteral,$(subst ',,$(filter-out -DSLUICE_VERSION%,$(BASE_FLAGS)))) -DSLUICE_VERSION=\"0\" $(PKG_CFLAGS) 2>/dev/null' sh

check-cppcheck:
	@cppcheck --quiet --error-exitcode=1 --std=c11 --enable=warning,performance,portability --inline-suppr \
	  --suppress=missingIncludeSystem --suppress=varFuncNullUB -Isrc -D__GNUC__ -DSLUICE_VERSION='"0"' -j $$(nproc) src cgi-bin

check-analyzer:
	@printf '%s\n' $(LIB_SRC) $(DOOR_SRC) | xargs -P $$(nproc) -n 1 sh -c \
	  'gcc $(subst ",\",$(subst ',,$(BASE_FLAGS))) -O1 -Werror -fanalyzer -Wno-analyzer-malloc-leak $(PKG_CFLAGS) -c "$$1" -o /dev/null' sh

check-shell:
	@shellcheck -s bash cgi-bin/sluice.bash
	@shellcheck $(wildcard cgi-bin/*.sh tests/*.sh tests/*/*.sh www/*.sh) .ci/run

check-js:
	@www/node_modules/.bin/eslint -c www/eslint.config.mjs --max-warnings 0 www tests

-include $(shell find $(B) -name '*.d' 2>/dev/null)
