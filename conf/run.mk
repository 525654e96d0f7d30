# run.mk - installing, starting and breaking it; see README.md.

.PHONY: deps run break mend

deps:
	@conf/deps run

# A make of its own for the build: pkg-config may only just have come.
run: deps
	@set -o pipefail; $(MAKE) -j$$(nproc) programs | \
	    awk '/ -o / { for (i = 1; i < NF; i++) if ($$i == "-o") { print "build: " $$(i + 1); fflush() } }'
	@/usr/bin/python3 conf/run/start -b $(BUILD) run

break mend:
	@/usr/bin/python3 conf/run/start -b $(BUILD) $@
