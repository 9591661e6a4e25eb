/* 05-ept-walk.c - the checks of lab 05: the table. They stand in grader/checks/05-ept-walk/.
 *
 * Building is judged by what the tables say in the end: the judge reads them out of the pool
 * and compares them with a plain list of pages that knows no tables. Walking is judged on
 * tables that the judge made, against a model of the CPU: outcome, and the address of each
 * memory reference in its order. On target silicon a CPU follows the student's tables; what
 * it did, the student's walker has to say, and the model too.
 */
#include "05-ept-walk/checks.h"

static const struct check checks[] = {
    {
        .id = "bad_ranges_are_refused",
        .title = "refuses ranges, rights and types that cannot be",
        .tenths = 6,
        .target = TARGET_MODEL,
        .run = bad_ranges_are_refused,
        .why = "One wrong entry is enough, and the CPU reports a misconfiguration at some "
               "later time.",
        .handout = "Steps, 1",
        .slide = "Extended Page Tables",
        .manual = "Intel SDM 3C 29.3.2, 29.3.3.1; common/include/ept.h",
        .hints = {"Which of the numbers can be wrong in themselves, before you look at any "
                  "table?",
                  "Two kinds: what can never be (-EINVAL), and what lies beyond 48 bits "
                  "(-ERANGE); a sum may wrap around.",
                  "range_check() and target_valid() look at the numbers, rights_valid() is "
                  "yours. -ERANGE only after all the -EINVAL of the function."},
        .explanation = "range_check() has the trick of lab 02: compare with what is left, "
                       "and nothing can wrap around.",
    },
    {
        .id = "execute_only_needs_the_cpu",
        .title = "asks the CPU: X alone, address bits, the EPTP",
        .tenths = 5,
        .target = TARGET_MODEL,
        .run = execute_only_needs_the_cpu,
        .why = "What is a page on one CPU is a misconfiguration on another.",
        .handout = "Steps, 3",
        .slide = "Extended Page Tables",
        .manual = "Intel SDM 3C 25.6.11, 29.3.3.1; 3D A.10",
        .hints = {"Which fields of struct ept_cpu does your code look at?",
                  "X without R needs execute_only; an HPA has to fit in physical_bits. The "
                  "EPTP says 3 for four levels.",
                  "root | 6 | 3 << 3 | access_dirty << 6; an HPA range must end at or "
                  "below 1 << physical_bits."},
        .explanation = "Execute-only pages serve monitors that want to see each read of "
                       "code. KVM asks the capability MSR, as you do.",
    },
    {
        .id = "pages_are_as_large_as_possible",
        .title = "maps with the largest pages that fit",
        .tenths = 8,
        .target = TARGET_MODEL,
        .run = pages_are_as_large_as_possible,
        .why =
            "A page of 2 MiB costs one reference less, and one TLB entry instead of 512.",
        .handout = "Steps, 4",
        .slide = "Extended Page Tables",
        .manual = "Intel SDM 3C 29.3.2, tables 29-3 and 29-5",
        .hints =
            {"Three things decide how large a page at some gpa can be. gpa is one of them.",
             "gpa, hpa and the rest of the range. 1 GiB only if the CPU has it; 512 GiB "
             "never.",
             "Try level 3, 2, 1: the first with (gpa | hpa) % size == 0 and rest >= size. "
             "Then advance by that size."},
        .explanation =
            "If gpa and hpa differ in their lower 21 bits, no large page fits anywhere in "
            "the range: VMMs align guest RAM to 1 GiB or 2 MiB for that reason.",
    },
    {
        .id = "mapped_pages_are_not_mapped_again",
        .title = "refuses to map what is mapped",
        .tenths = 5,
        .target = TARGET_MODEL,
        .run = mapped_pages_are_not_mapped_again,
        .why =
            "To replace a mapping silently is to lose a page, or to give it to two owners.",
        .handout = "Steps, 5",
        .slide = "Extended Page Tables",
        .manual = "common/include/ept.h, ept_map()",
        .hints =
            {"Where in the range could a page be that is mapped already?",
             "Anywhere, and it may be larger or smaller than those you are going to "
             "make. Look before you write.",
             "range_is() goes through the range from decisive entry to decisive entry: "
             "if one is present, -EEXIST."},
        .explanation = "Stepping by what an entry covers makes the look cheap: a hole of "
                       "512 GiB is one step.",
    },
    {
        .id = "large_pages_split_where_they_must",
        .title = "splits large pages, and no more than needed",
        .tenths = 10,
        .target = TARGET_MODEL,
        .run = large_pages_split_where_they_must,
        .why = "A balloon, a watchpoint, a dirty log: they all take one small page out of "
               "a large one.",
        .handout = "Steps, 6",
        .slide = "Extended Page Tables",
        .manual = "common/include/ept.h, ept_unmap()",
        .hints = {"Which pages of a range can be inside a large one in part? Only those at "
                  "two places.",
                  "512 pages of the next smaller size: same rights, same type, same A and "
                  "D, HPAs one after the other. And bit 7?",
                  "For each end: while the entry that covers it is a leaf and end % size "
                  "!= 0: split that leaf. A page of 4 KiB has no bit 7."},
        .explanation =
            "A and D are inherited: the hardware had used the large page, and nobody knows "
            "which part. To drop D would be to lose a write in a dirty log.",
    },
    {
        .id = "protect_needs_every_page",
        .title = "protects all of a range, or nothing",
        .tenths = 4,
        .target = TARGET_MODEL,
        .run = protect_needs_every_page,
        .why = "A caller who protects a range wants to rely on all of it.",
        .handout = "Steps, 8",
        .slide = "Extended Page Tables",
        .manual = "common/include/ept.h, ept_protect()",
        .hints = {"When do you know that there is no hole in the range?",
                  "After looking at all of it: before the first entry changes, and before "
                  "the first page is split.",
                  "-ENOENT if any decisive entry in the range is not present; then the "
                  "borders; then the leaves."},
        .explanation = "Unmapping is kinder to holes, as munmap() is: the result is the "
                       "same with and without them.",
    },
    {
        .id = "empty_tables_go_back",
        .title = "gives tables back that became empty",
        .tenths = 7,
        .target = TARGET_MODEL,
        .run = empty_tables_go_back,
        .why = "A VMM runs for months; each table that leaks is a page that no guest gets.",
        .handout = "Steps, 7",
        .slide = "Extended Page Tables",
        .manual = "common/include/ept.h, struct ept",
        .hints =
            {"After unmapping, which tables can have become empty? Only the lowest?",
             "A table that goes back empties an entry of the table above. The root stays. "
             "tables_prune() does that, where it finds no leaf any more.",
             "Clear each leaf of the range (entry_find, span_end), and then: "
             "tables_prune(ept, ept->root, EPT_LEVELS, gpa, gpa + size)."},
        .explanation = "The pool of this check has 10 pages and 2000 ranges go through it.",
    },
    {
        .id = "a_full_pool_changes_nothing",
        .title = "changes nothing if the pool has too few pages",
        .tenths = 9,
        .target = TARGET_MODEL,
        .run = a_full_pool_changes_nothing,
        .why =
            "Half a mapping is worse than none: the caller believes that nothing happened.",
        .handout = "Steps, 5",
        .slide = "Extended Page Tables",
        .manual = "common/include/ept.h",
        .hints = {"When does each function find out that pages are missing, and what has "
                  "it done by then?",
                  "Map can undo (who removes tables already?). Splitting cannot be undone "
                  "easily: borders_make() counts first, so let it be first.",
                  "ept_map(): unmapping the whole range also gives back the empty tables "
                  "that were made on the way. The others: borders_make() before any entry "
                  "changes, and -ENOMEM if it says so."},
        .explanation = "Pages that the call itself gives back do not count: that would "
                       "make the answer depend on the order of its steps.",
    },
    {
        .id = "walks_translate_or_say_why_not",
        .title = "walks to the HPA, or explains the violation",
        .tenths = 9,
        .target = TARGET_MODEL,
        .run = walks_translate_or_say_why_not,
        .why = "The exit qualification is all that a VMM learns about a violation.",
        .handout = "Steps, 11",
        .slide = "Extended Page Tables",
        .manual = "Intel SDM 3C 29.3.3.2, table 28-7",
        .hints = {"Bits 2:0 say what was tried, bits 5:3 what would have been allowed. By "
                  "which entry?",
                  "By all together: the AND. If an entry is not present, the walk ends "
                  "there, and nothing is allowed.",
                  "rights starts as 7 and is ANDed with each entry. Violation: access | "
                  "rights << 3. Compare at the leaf, not before."},
        .explanation = "KVM reads bits 5:3 to tell a page that is write-protected (for the "
                       "dirty log) from one that is not there.",
    },
    {
        .id = "misconfigured_entries_are_found",
        .title = "finds misconfigured entries, and only those",
        .tenths = 9,
        .target = TARGET_MODEL,
        .run = misconfigured_entries_are_found,
        .why = "A misconfiguration is a bug of the VMM, a violation the guest's business: "
               "do not mix them up.",
        .handout = "Steps, 9",
        .slide = "Extended Page Tables",
        .manual = "Intel SDM 3C 29.3.3.1, tables 29-1 to 29-7",
        .hints = {"The same bit can be reserved at one level, a memory type at another, "
                  "and ignored at a third.",
                  "Rights first (W without R), then by kind: leads to a table, or leaf; "
                  "then bits above physical_bits. All 0 rights: not present, and no other "
                  "bit counts.",
                  "Table: bits 6:3, in level 4 also 7. Leaf: the address below the page's "
                  "size (29:12, 20:12), types 2, 3, 7. Bits 63:52 and 11:8 never."},
        .explanation = "KVM makes misconfigured entries on purpose: for MMIO, where exit "
                       "49 is quicker to handle than 48.",
    },
    {
        .id = "accessed_and_dirty_are_set",
        .title = "sets A and D where the CPU does",
        .tenths = 7,
        .target = TARGET_MODEL,
        .run = accessed_and_dirty_are_set,
        .why = "Live migration and page replacement read these two bits; a lost D is lost "
               "memory.",
        .handout = "Steps, 10",
        .slide = "Extended Page Tables",
        .manual = "Intel SDM 3C 29.3.5",
        .hints = {"Which entries does a translation use? Which of them can say that a page "
                  "was written to?",
                  "A in all that were read, D in the leaf only; both only if the walk "
                  "succeeds. When does a read count as a write?",
                  "With access_dirty, an access with L and without F is read and write: "
                  "also in the qualification. Write an entry only if it changes."},
        .explanation = "Reading a guest's page table counts as writing because the CPU may "
                       "set the guest's own A and D there.",
    },
    {
        .id = "a_cold_walk_makes_24_references",
        .title = "walks in two dimensions: 24 references",
        .tenths = 9,
        .target = TARGET_MODEL,
        .run = a_cold_walk_makes_24_references,
        .why = "This is the price of the EPT, reference by reference.",
        .handout = "Why",
        .slide = "Extended Page Tables",
        .manual = "Intel SDM 3C 29.3.1; 3A 4.5",
        .hints = {"What kind of address is in CR3, and in each of the guest's entries?",
                  "Guest-physical: so each is translated before it is read. How many "
                  "times, and what comes last?",
                  "4 x (4 EPT entries + the guest's entry) + 4 for the page. Large pages: "
                  "a smaller page number, a larger offset from the gva."},
        .explanation = "With 2 MiB pages in both dimensions it is 15: 3 x (3 + 1) + 3. "
                       "With 5 levels in both, 35.",
    },
    {
        .id = "faults_and_violations_differ",
        .title = "tells the guest's page faults from EPT violations",
        .tenths = 6,
        .target = TARGET_MODEL,
        .run = faults_and_violations_differ,
        .why = "The one is delivered to the guest, the other leaves it: they have "
               "different owners.",
        .handout = "Steps, 13",
        .slide = "Extended Page Tables",
        .manual = "Intel SDM 3A 4.6, 4.7; 3C 29.3.3.2",
        .hints = {"Who forbids the access: an entry of the guest's, or one of the EPT's?",
                  "The guest's rights are compared before the page's GPA is translated: a "
                  "page fault wins. An entry that is not there ends the walk at once.",
                  "Violation on a guest's table: access R with L only, gpa = that of the "
                  "entry. Error code: P only if all entries were present; W, U, I/D say "
                  "what was tried."},
        .explanation = "Without EPT every one of these page faults would be an exit: "
                       "shadow paging had to look at each.",
    },
    {
        .id = "caches_save_references",
        .title = "skips with caches what it has read before",
        .tenths = 8,
        .target = TARGET_MODEL,
        .run = caches_save_references,
        .why =
            "Without these caches virtual machines would run at a fraction of their speed.",
        .handout = "Steps, 12",
        .slide = "Extended Page Tables",
        .manual = "Intel SDM 3C 29.4.1; common/include/nested_walk.h",
        .hints = {"Three caches: which question does each answer, and how many references "
                  "does that save?",
                  "An entry is about one root, one number, for translations one mode, and "
                  "the kinds that were allowed. When is W among them?",
                  "translations: 0 references. guest_tables: 1 + the page's EPT walk. "
                  "guest_physical: 1 instead of 4. Fill only when TRANSLATED, W only after "
                  "a write."},
        .explanation = "Real CPUs do the same with other sizes; that is why measured walks "
                       "cost 2 to 5 references, not 24.",
    },
    {
        .id = "stale_translations_are_forgotten",
        .title = "forgets stale translations, keeps the others",
        .tenths = 6,
        .target = TARGET_MODEL,
        .run = stale_translations_are_forgotten,
        .why = "A stale entry is a hole in the wall between two VMs; flushing everything "
               "is slow.",
        .handout = "Steps, 15",
        .slide = "Extended Page Tables",
        .manual = "Intel SDM 3A 4.10.4; 3C 29.4.3",
        .hints = {"Who changed a table, the guest or the VMM? Which caches know something "
                  "that came from it?",
                  "The guest's instructions end combined translations of its own root, and "
                  "none of guest_physical. INVEPT ends all three.",
                  "INVLPG: that page's translation and all guest_tables of the root. CR3: "
                  "all of both. INVEPT single: everything of one root, type 2: of all. A "
                  "failed walk forgets what was known of its gva."},
        .explanation = "A VMM that shrinks a mapping and forgets INVEPT gives the guest a "
                       "page that belongs to someone else by now.",
    },
    {
        .id = "cpu_agrees_on_accesses",
        .title = "an Intel CPU goes where your walker says",
        .tenths = 5,
        .target = TARGET_SILICON,
        .run = cpu_agrees_on_accesses,
        .why = "The manual may be read wrongly; the CPU does what it does.",
        .handout = "Run it",
        .slide = "Extended Page Tables",
        .manual = "Intel SDM 3C 29.3.3, table 28-7",
        .hints = {"If the checks on the model pass, this one does.",
                  "Your builder makes the tables, your walker and the CPU follow them. The "
                  "text shows both answers.",
                  "No access_dirty here: reading a guest's page table from a read-only "
                  "page is fine."},
        .explanation =
            "About two thousand reads, writes and calls went through your tables, in pages "
            "of all sizes, some of them split; each exit was compared field by field.",
    },
    {
        .id = "cpu_agrees_on_misconfigurations",
        .title = "the CPU finds the same misconfigured entries",
        .tenths = 3,
        .target = TARGET_SILICON,
        .run = cpu_agrees_on_misconfigurations,
        .why =
            "Exit 49 has no qualification: only the GPA, and you find the entry yourself.",
        .handout = "Run it",
        .slide = "Extended Page Tables",
        .manual = "Intel SDM 3C 29.3.3.1",
        .hints = {"If the checks on the model pass, this one does.",
                  "Entries of your tables were damaged after you made them. Compare the "
                  "two answers in the text.",
                  "This CPU has 40 physical-address bits, pages of 1 GiB and no "
                  "execute-only pages."},
        .explanation = "Bits that one CPU ignores can be reserved on the next: software "
                       "sets them to 0 unless it knows.",
    },
    {
        .id = "cpu_sets_the_same_flags",
        .title = "the CPU sets the same A and D flags",
        .tenths = 4,
        .target = TARGET_SILICON,
        .run = cpu_sets_the_same_flags,
        .why = "What hardware writes into your tables, your walker has to write, too.",
        .handout = "Run it",
        .slide = "Extended Page Tables",
        .manual = "Intel SDM 3C 29.3.5",
        .hints = {"If the checks on the model pass, this one does.",
                  "The tables were dumped from outside when the CPU was done; yours are "
                  "those after your walks.",
                  "Guest page tables count as written to: their pages get D, and a "
                  "read-only one is a violation with bits 0 and 1."},
        .explanation =
            "The stack, the results and the guest's own page tables are dirty as well, "
            "each by one bit in a page of 2 MiB: large pages make dirty logs coarse.",
    },
};

const struct lab_checks lab_checks = {
    .name = "05-ept-walk",
    .title = "EPT walk",
    .checks = checks,
    .count = sizeof checks / sizeof checks[0],
};
