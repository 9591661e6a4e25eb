# Non-Root Mode. `make` shows where you are; `make help` lists all that can be typed.
# This file only builds the grader and hands the verb on to it.

# A word for the shell, whatever is in it.
APART = '$(subst ','\'',$(1))'

B := build
CC = gcc

# --- the computer: grader and checks are compiled for it, all else is x86-64 --------------------
MACHINE := $(shell uname -m)
ifeq ($(filter x86_64 aarch64,$(MACHINE)),)
$(error The kit runs on x86-64 and on arm64 (aarch64), under Linux; this is $(MACHINE))
endif
ifeq ($(MACHINE),x86_64)
XCC = $(CC)
CROSS :=
HOST_OBJ := $(B)/obj
HOST_CORE := $(B)/lib/core.a
else
CROSS := x86_64-linux-gnu-
XCC := $(CROSS)gcc
HOST_OBJ := $(B)/obj/host
HOST_CORE := $(B)/lib/host-core.a
# (char as on x86; KVM's structures are those of x86, whose VMM this is)
HOST_FLAGS = -fsigned-char -I$(B)/x86
HOST_HEADERS := $(B)/x86/asm/kvm.h
endif
WARNINGS := -Wall -Wextra -Wshadow -Wconversion
# (clang: loops become no calls of memset() under -ffreestanding anyway; and the kernel's headers
# are made for a struct whose last member is as long as what stands behind it.)
ifneq ($(findstring clang,$(shell $(CC) --version 2>&1)),)
WARNINGS += -Wno-gnu-variable-sized-type-not-at-end
endif
ifeq ($(findstring clang,$(shell $(XCC) --version 2>&1)),)
NO_LOOP_PATTERNS := -fno-tree-loop-distribute-patterns
endif
CFLAGS := -std=gnu11 -O2 -g $(call APART,-ffile-prefix-map=$(CURDIR)/=) $(WARNINGS) $(WERROR)
INCLUDES := -Icommon/include
TRACEEVENT = $(shell pkg-config --cflags --libs libtraceevent)

# Everything that is set on the command line is handed on as it is (an exported KERNEL= is somebody
# else's); the grader knows what it knows, and refuses the rest by name.
OURS := B CC WERROR SUITE CFLAGS WARNINGS MAKEFLAGS
SET = $(sort $(foreach word,$(MAKEOVERRIDES),$(firstword $(subst =, ,$(word)))))
HANDED_ON = $(foreach name,$(filter-out $(OURS) FROM,$(SET)),$(if $(filter command line,$(origin $(name))),$(call APART,$(name)=$(value $(name)))))
# (A folder's name may have line ends, at which make would cut a recipe.)
export FROM_AS_GIVEN = $(value FROM)
GRADER_ARGS = $(HANDED_ON) $(if $(filter command line,$(origin FROM)),"FROM=$$FROM_AS_GIVEN")

# With `sudo make`, root owns what was built; nobody else can go on from there.
FOREIGN := $(shell find $(B) -maxdepth 2 ! -writable ! -user "$$(id -u)" -print -quit 2>/dev/null)
ifneq ($(FOREIGN),)
$(error $(FOREIGN) belongs to somebody else (was it made with sudo?). \
	Mend it: sudo chown -R $(shell id -un) $(B))
endif

# A row of the grader's list each.
VERBS := $(filter-out help,$(shell sed -n 's/^ *ROW(\([a-z]*\)).*/\1/p' grader/verbs/verbs.c))

ALL_LABS := $(patsubst grader/checks/%.c,%,$(wildcard grader/checks/*.c))
GRADER := $(B)/bin/grader

.DEFAULT_GOAL := progress
.PHONY: $(VERBS) help test starters format clean distclean
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules -j$(shell nproc)

$(VERBS): all-built
	@$(GRADER) $@ $(GRADER_ARGS)

# What is handed out is linked from these (grader/dist/stage.sh).
.PHONY: dist-lists
dist: dist-lists
dist-lists: all-built
	@mkdir -p $(B)/dist
	@echo $(GRADER_OBJECTS) >$(B)/dist/grader.objects
	@echo $(JUDGE_OBJECTS) $(SILICON_OBJECTS) $(HOST_CORE) >$(B)/dist/judge.objects

help: $(GRADER)
	@$(GRADER) help

test: all-built
	@bash tests/run.sh $(SUITE)

starters:
	@sh grader/verbs/starters.sh write

# (Other versions want another layout.)
CLANG_FORMAT = $(shell command -v clang-format-14 || echo clang-format)
format:
	@$(CLANG_FORMAT) --version | grep -q 'version 14\.' || \
		{ echo "format: the layout is clang-format 14's (sudo apt install clang-format-14)" >&2; false; }
	@$(CLANG_FORMAT) -i $$(git ls-files '*.c' '*.h')

# --- slides and book: pages in build/slides and build/book ---------------------------------------
SLIDES_READY := slides/node_modules/.package-lock.json
BOOK_READY := book/node_modules/.package-lock.json
SLIDES := node slides/build.mjs $(if $(filter command line,$(origin LAB)),--lab '$(LAB)')

$(SLIDES_READY) $(BOOK_READY): %/node_modules/.package-lock.json: %/package-lock.json
	@command -v node >/dev/null && command -v npm >/dev/null || \
		{ echo "$*: node and npm are missing (mend it: sudo apt install nodejs npm)" >&2; false; }
	@cd $* && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

.PHONY: slides slides-watch book
slides: $(SLIDES_READY)
	@$(SLIDES)

slides-watch: $(SLIDES_READY)
	@$(SLIDES) --watch

# (All decks, whatever LAB= says; all-built, because the reference is graded for its pictures.)
book: all-built $(SLIDES_READY) $(BOOK_READY)
	@node slides/build.mjs
	@node book/build.mjs

clean:
	rm -rf $(B)/obj $(B)/bin $(B)/lib $(B)/checks $(B)/guests $(B)/silicon $(B)/subjects $(B)/cache $(B)/tmp

distclean:
	rm -rf $(B)

# --- what has to be installed ---------------------------------------------------------------
# Asked for once; again when the list changes.
$(B)/packages.ok: grader/prepare/packages.sh
	@mkdir -p $(B)
	@sh grader/prepare/packages.sh
	@touch $@

.PHONY: all-built
all-built: $(GRADER) $(B)/bin/agent $(B)/bin/answer $(B)/bin/cage $(B)/bin/replay $(ALL_LABS:%=$(B)/checks/%) $(B)/lib/core.a $(ALL_LABS:%=$(B)/lib/%.a) \
	$(patsubst %,$(B)/subjects/%.o,$(ALL_LABS) main crash kernel_calls run bench)

# --- the core, the reference parts, the dispatchers: what a subject is linked from ------------
# Their system calls are their own: a part cannot put others in their place (kernel_calls.c).
CALLS := common/vmm/kernel_calls.syms
OWN_CALLS = @$(CROSS)objcopy --redefine-syms=$(CALLS) $@

# (The core that a part can reach; of the rest, vmx_names is of checks and tools.)
CORE_ALL := $(patsubst common/vmm/%.c,$(B)/obj/core/%.o,$(wildcard common/vmm/*.c))
CORE_OBJECTS := $(filter-out %/vmx_names.o %/dma_device.o,$(CORE_ALL))

# What a dispatcher calls and its lab's part must not: the work of later labs, or its own. It goes
# into the dispatcher's object, where no other object can name it.
HIDDEN_02-memory-slots := $(B)/lib/03-exit-loop.a
HIDDEN_09-iommu-faults := $(B)/obj/core/dma_device.o

$(B)/obj/core/%.o: common/vmm/%.c $(CALLS) | $(B)/packages.ok
	@mkdir -p $(@D)
	@$(XCC) $(CFLAGS) $(INCLUDES) -MMD -MP -c $< -o $@
	$(OWN_CALLS)

$(B)/lib/core.a: $(CORE_OBJECTS)
	@mkdir -p $(@D)
	@rm -f $@
	@$(CROSS)ar rcs $@ $^

# Grader and checks use some of it too: on a host of another kind, it is compiled once more (but
# for the system calls, which are x86 instructions and the subjects' only).
ifneq ($(MACHINE),x86_64)
$(HOST_HEADERS): | $(B)/packages.ok
	@mkdir -p $(@D)
	@echo '#include <asm/kvm.h>' | $(XCC) -E - | sed -n 's/^# 1 \("[^"]*asm\/kvm.h"\).*/#include \1/p' >$@

$(HOST_OBJ)/core/%.o: common/vmm/%.c | $(B)/packages.ok $(HOST_HEADERS)
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) $(HOST_FLAGS) $(INCLUDES) -MMD -MP -c $< -o $@

$(HOST_OBJ)/agent/%.o: grader/machine/%.c | $(B)/packages.ok $(HOST_HEADERS)
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) $(HOST_FLAGS) $(INCLUDES) -Igrader -MMD -MP -c $< -o $@

$(HOST_CORE): $(patsubst common/vmm/%.c,$(HOST_OBJ)/core/%.o,$(filter-out %/kernel_calls.c,$(wildcard common/vmm/*.c)))
	@mkdir -p $(@D)
	@rm -f $@
	@ar rcs $@ $^
endif

# (Parts that are programs of their own are only built for who asks: grader/submission/build.c.)
define PART_RULES
$(B)/lib/$(1).a: $(patsubst solutions/%.c,$(B)/obj/parts/%.o,$(filter-out %.svm.c %.vmx.c,$(wildcard solutions/$(1)/*.c)))
	@mkdir -p $$(@D)
	@rm -f $$@
	@$(CROSS)ar rcs $$@ $$^
endef
$(foreach lab,$(ALL_LABS),$(eval $(call PART_RULES,$(lab))))

$(B)/obj/parts/%.o: solutions/%.c $(CALLS) | $(B)/packages.ok
	@mkdir -p $(@D)
	@$(XCC) $(CFLAGS) $(INCLUDES) -MMD -MP -c $< -o $@
	$(OWN_CALLS)

$(B)/obj/subjects/%.o: grader/subjects/%.c $(B)/guests/run/hello.bin $(CALLS) | $(B)/packages.ok
	@mkdir -p $(@D)
	@$(XCC) $(CFLAGS) $(INCLUDES) -Igrader -Wa,-I$(B)/guests/run -MMD -MP -c $< -o $@
	$(OWN_CALLS)

.SECONDEXPANSION:
$(B)/subjects/%.o: $(B)/obj/subjects/%.o $$(HIDDEN_$$*)
	@mkdir -p $(@D)
	@$(XCC) -r -nostdlib $^ -o $@
	@$(if $(HIDDEN_$*),$(CROSS)nm --defined-only --extern-only $(HIDDEN_$*) | awk 'NF == 3 { print $$3 }' \
		>$@.hidden && $(CROSS)objcopy --localize-symbols=$@.hidden $@)

# (Beside the dispatchers: it is linked as they are, whoever else would have its functions.)
$(B)/subjects/kernel_calls.o: $(B)/obj/core/kernel_calls.o
	@mkdir -p $(@D)
	@cp $< $@

# --- the agent: static, because it is process 1 of a machine with nothing else ----------------
AGENT_OBJECTS := $(patsubst grader/machine/%.c,$(B)/obj/agent/%.o,$(wildcard grader/machine/*.c))

# (The same bytes wherever the kit lies: a machine is made for them, and may have been copied.)
ANYWHERE = $(call APART,-ffile-prefix-map=$(CURDIR)=.)
$(B)/obj/agent/%.o: grader/machine/%.c | $(B)/packages.ok
	@mkdir -p $(@D)
	@$(XCC) $(CFLAGS) $(ANYWHERE) $(INCLUDES) -Igrader -MMD -MP -c $< -o $@

$(B)/bin/agent: $(AGENT_OBJECTS)
	@mkdir -p $(@D)
	@echo "  build  $@"
	@$(XCC) -static $^ -o $@

# --- a program for the guest Linux of the capstone: static, as nothing else is there -----------
$(B)/bin/answer: labs/11-boot-linux/linux/answer.c labs/11-boot-linux/linux/answer.h | $(B)/packages.ok
	@mkdir -p $(@D)
	@$(XCC) $(CFLAGS) $(ANYWHERE) -static $< -o $@

# --- the cage for where there are no namespaces ---------------------------------------------------
$(B)/bin/cage: $(B)/obj/grader/cage/cage.o $(B)/obj/grader/lib/child.o
	@mkdir -p $(@D)
	@echo "  build  $@"
	@$(CC) $^ -o $@

# --- the subject of make attacks NAMED=replay: it does no work, so it needs neither core nor parts -
$(B)/bin/replay: $(patsubst %,$(B)/subjects/%.o,main crash replay) $(B)/lib/core.a
	@mkdir -p $(@D)
	@$(XCC) -static $^ -o $@

# --- guests: labs/NN-name/guests/NAME.MODE.c or .S -> build/guests/NN-name/NAME.bin ------------
GUEST_FLAGS := -std=gnu11 -O2 -g $(call APART,-ffile-prefix-map=$(CURDIR)/=) -ffreestanding -fno-pic -fno-pie -fno-stack-protector \
	-fno-asynchronous-unwind-tables $(NO_LOOP_PATTERNS) -mno-red-zone \
	-mgeneral-regs-only -Wall -Wextra -Icommon/guest -nostdlib -static \
	-Wl,--build-id=none,-z,noexecstack -T common/guest/guest.ld
GUEST_COMMON := Makefile common/guest/guest.h common/guest/guest.ld common/guest/start.S

guest_bins = $(foreach f,$(wildcard labs/$(1)/guests/*),$(B)/guests/$(1)/$(firstword $(subst ., ,$(notdir $f))).bin)

define GUEST_RULE # lab, name, suffix with mode, compiler flags, start file
$(B)/guests/$(1)/$(2).bin: labs/$(1)/guests/$(2).$(3) $(GUEST_COMMON) | $(B)/packages.ok
	@mkdir -p $$(@D)
	@$(XCC) $(4) $(GUEST_FLAGS) $(5) $$< -o $$(@:.bin=.elf)
	@$(CROSS)objcopy -O binary --set-section-flags .bss=alloc,load,contents $$(@:.bin=.elf) $$@
endef
$(B)/guests/run/hello.bin: common/guest/hello.long64.c $(GUEST_COMMON) | $(B)/packages.ok
	@mkdir -p $(@D)
	@$(XCC) -m64 $(GUEST_FLAGS) common/guest/start.S $< -o $(@:.bin=.elf)
	@$(CROSS)objcopy -O binary --set-section-flags .bss=alloc,load,contents $(@:.bin=.elf) $@
guest_lab = $(word 2,$(subst /, ,$(1)))
guest_name = $(firstword $(subst ., ,$(notdir $(1))))
$(foreach f,$(wildcard labs/*/guests/*.real16.S),$(eval $(call GUEST_RULE,$(call guest_lab,$f),$(call guest_name,$f),real16.S,-m32,)))
$(foreach f,$(wildcard labs/*/guests/*.protected32.c),$(eval $(call GUEST_RULE,$(call guest_lab,$f),$(call guest_name,$f),protected32.c,-m32,common/guest/start.S)))
$(foreach f,$(wildcard labs/*/guests/*.long64.c),$(eval $(call GUEST_RULE,$(call guest_lab,$f),$(call guest_name,$f),long64.c,-m64,common/guest/start.S)))
$(foreach f,$(wildcard labs/*/guests/*.long64.S),$(eval $(call GUEST_RULE,$(call guest_lab,$f),$(call guest_name,$f),long64.S,-m64,common/guest/start.S)))

# --- silicon: the ROM of the emulated Intel CPU, and how a check has it run ----------------------
SILICON_FLAGS := -std=gnu11 -O2 -m64 -ffreestanding -fno-pic -fno-pie -fno-stack-protector \
	-fno-asynchronous-unwind-tables $(NO_LOOP_PATTERNS) -mno-red-zone \
	-mgeneral-regs-only $(WARNINGS) $(WERROR) -Icommon/include -nostdlib -static \
	-Wl,--build-id=none,-z,noexecstack
SILICON_COMMON := $(wildcard common/silicon/*) common/include/silicon_job.h common/include/vmx.h
SILICON_BINS := $(B)/silicon/runtime.bin $(B)/silicon/reset.bin

$(B)/silicon/runtime.bin: $(SILICON_COMMON) | $(B)/packages.ok
	@mkdir -p $(@D)
	@$(XCC) $(SILICON_FLAGS) -T common/silicon/runtime.ld common/silicon/start.S \
		common/silicon/enter.S $(wildcard common/silicon/*.c) -o $(@:.bin=.elf)
	@$(CROSS)objcopy -O binary --set-section-flags .bss=alloc,load,contents $(@:.bin=.elf) $@

$(B)/silicon/reset.bin: $(SILICON_COMMON) | $(B)/packages.ok
	@mkdir -p $(@D)
	@$(XCC) -m32 -nostdlib -static -fno-pic -fno-pie -Wl,--build-id=none,-z,noexecstack \
		-T common/silicon/reset.ld common/silicon/reset.S -o $(@:.bin=.elf)
	@$(CROSS)objcopy -O binary -j .text $(@:.bin=.elf) $@

$(B)/obj/silicon/%.o: grader/silicon/%.c $(SILICON_BINS) | $(B)/packages.ok $(HOST_HEADERS)
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) $(HOST_FLAGS) $(INCLUDES) -Igrader -Wa,-I$(B)/silicon -MMD -MP -c $< -o $@

# --- the judge: an archive, for the checks and for the grader, which takes what it needs ----------
LIB_OBJECTS := cage child command files
JUDGE_OBJECTS := $(patsubst grader/judge/%.c,$(B)/obj/judge/%.o,$(wildcard grader/judge/*.c)) \
	$(HOST_OBJ)/agent/frames.o $(HOST_OBJ)/agent/own_time.o \
	$(LIB_OBJECTS:%=$(B)/obj/grader/lib/%.o) \
	$(HOST_OBJ)/core/vmx_names.o
SILICON_OBJECTS := $(patsubst grader/silicon/%.c,$(B)/obj/silicon/%.o,$(wildcard grader/silicon/*.c))

$(B)/obj/judge/%.o: grader/judge/%.c | $(B)/packages.ok $(HOST_HEADERS)
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) $(HOST_FLAGS) $(INCLUDES) -Igrader $(shell pkg-config --cflags libtraceevent) -MMD -MP -c $< -o $@

$(B)/lib/judge.a: $(JUDGE_OBJECTS)
	@mkdir -p $(@D)
	@rm -f $@
	@ar rcs $@ $^

# --- the checks: one program a lab -------------------------------------------------------------
# (grader/checks/LAB.c has the table; what is too long for one file stands in the folder LAB/.)
define CHECK_RULES
$(2): $(B)/obj/%.o: grader/%.c $(call guest_bins,$(1)) | $(B)/packages.ok $(HOST_HEADERS)
	@mkdir -p $$(@D)
	@$(CC) $(CFLAGS) $(HOST_FLAGS) $(INCLUDES) -Igrader -Wa,-I$(B)/guests/$(1) -MMD -MP -c $$< -o $$@
$(B)/checks/$(1): $(2) $(SILICON_OBJECTS) $(B)/lib/judge.a $(HOST_CORE)
	@mkdir -p $$(@D)
	@echo "  build  $$@"
	@$(CC) $$^ -o $$@ -lcmocka -lcjson $$(TRACEEVENT)
endef
check_objects = $(patsubst %.c,$(B)/obj/%.o,$(patsubst grader/%,%,$(wildcard grader/checks/$(1).c grader/checks/$(1)/*.c)))
$(foreach lab,$(ALL_LABS),$(eval $(call CHECK_RULES,$(lab),$(call check_objects,$(lab)))))

# --- the grader ---------------------------------------------------------------------------------
ROOMS := verbs intake course similarity submission grading report report/exports prepare lib
GRADER_OBJECTS := $(patsubst grader/%.c,$(B)/obj/grader/%.o,grader/main.c $(wildcard $(ROOMS:%=grader/%/*.c))) \
	$(B)/lib/judge.a $(HOST_CORE)

$(B)/obj/grader/%.o: grader/%.c | $(B)/packages.ok $(HOST_HEADERS)
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) $(HOST_FLAGS) $(INCLUDES) -Igrader -MMD -MP -c $< -o $@

$(GRADER): $(GRADER_OBJECTS)
	@mkdir -p $(@D)
	@echo "  build  $@"
	@$(CC) $^ -o $@ -lcjson -lcrypto -larchive $(TRACEEVENT)

-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)
