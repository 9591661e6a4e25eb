/* 09-iommu-faults.c - the checks of lab 09: what each is called, what it is worth, and what is
 * said where it fails. The checks themselves stand in the folder 09-iommu-faults: script.c
 * and iommu.c first, which the others stand on.
 *
 * Target model: scripts of operations. What tables mean is found out by a walk of the
 * judge's own; what was mapped, by a list of pages. Target machine: QEMU's trace of the
 * emulated IOMMU, the machine's page tables read from outside, and guest RAM. */
#include "09-iommu-faults/checks.h"

#define VTD(section) "Intel VT-d specification, " section

static const struct check checks[] = {
    {
        .id = "attach_writes_root_and_context",
        .title = "attaches devices: root and context entries",
        .tenths = 5,
        .target = TARGET_MODEL,
        .run = attach_writes_root_and_context,
        .why = "These two entries decide which device sees which memory.",
        .handout = "Steps, 2",
        .slide = "IOMMU",
        .manual = VTD("3.4, 9.1, 9.3"),
        .hints =
            {"A source-id is bus, device and function in 16 bits. Which part chooses "
             "the root entry, which one the context entry?",
             "Root entry: bus. Context entry: the lower eight bits. A bus gets its context "
             "table with the first device on it. AW is the number of levels minus 2.",
             "context = (root[2 * bus] & ~0xfff) + 16 * devfn; high word: DID << 8 | AW; "
             "then the low word: table | 1. Detach writes both words 0."},
        .explanation =
            "256 buses, 256 functions each: the root table and the context tables are "
            "a two-level page table whose address is the device's name.",
    },
    {
        .id = "map_writes_level_1_entries",
        .title = "maps pages for the device, and only these",
        .tenths = 5,
        .target = TARGET_MODEL,
        .run = map_writes_level_1_entries,
        .why = "What is mapped is all of your memory that the device can reach.",
        .handout = "Steps, 4",
        .slide = "IOMMU",
        .manual = VTD("3.7, 9.8"),
        .hints =
            {"How many bits of the IOVA choose an entry at each level, and which ones?",
             "vtd_index() does it. A missing table is taken from the pool, and its entry "
             "says R and W: the page's own entry decides.",
             "for each page: walk down from domain->levels to 2, table_take() where R and "
             "W "
             "are 0 (entry = table | 3); level 1: entry = physical | rights."},
        .explanation = "The second-level format is close to that of EPT (lab 05): on some "
                       "machines one tree of tables serves CPU and devices.",
    },
    {
        .id = "map_does_all_or_nothing",
        .title = "maps all of a range, or says why not",
        .tenths = 5,
        .target = TARGET_MODEL,
        .run = map_does_all_or_nothing,
        .why = "Half a mapping is a window that nobody knows to close.",
        .handout = "Steps, 4",
        .slide = "IOMMU",
        .manual = "common/include/iommu_domain.h",
        .hints =
            {"Several errors may apply at once. Which one comes first?",
             "Compare with what is left (size > limit - iova): sums wrap around. After "
             "-ENOMEM, the pages that you had mapped already are to go, from the IOTLB "
             "too.",
             "-EINVAL for everything about iova, physical, size and rights; -ERANGE; a "
             "pass "
             "over the range for -EEXIST; then map, and on a missing table clear "
             "[iova, iova + what was done)."},
        .explanation =
            "The width of a domain is the lesser of what the IOMMU can take (MGAW) and "
            "what its levels translate: 39 bits for three, 48 for four.",
    },
    {
        .id = "unmap_clears_the_range",
        .title = "unmaps what is there, holes or not",
        .tenths = 4,
        .target = TARGET_MODEL,
        .run = unmap_clears_the_range,
        .why = "Memory that is given back must be out of the device's reach.",
        .handout = "Steps, 5",
        .slide = "IOMMU",
        .manual = VTD("3.7, 9.8"),
        .hints =
            {"What is at level 1 where nothing is mapped? And if there is no table?",
             "A missing table maps nothing: go on with the next page.",
             "The same helper as in iommu_map() finds the entry, without making tables; if "
             "it finds one, *entry = 0."},
        .explanation =
            "Empty tables stay here. If they were freed, the IOMMU's paging-structure "
            "caches would have to be invalidated first (VT-d 6.2.5).",
    },
    {
        .id = "walk_finds_the_page",
        .title = "walks 3 and 4 levels to pages of all sizes",
        .tenths = 5,
        .target = TARGET_MODEL,
        .run = walk_finds_the_page,
        .why = "This is what the hardware does for each access of a device.",
        .handout = "Steps, 6",
        .slide = "IOMMU",
        .manual = VTD("3.4.3, 3.7"),
        .hints =
            {"Which bits of an entry are the address, and which are ignored?",
             "Bits 51:12 lead on. With bit 7 at level 3 or 2 the walk ends: what of the "
             "IOVA is the offset then?",
             "leaf: level == 1 or (level < 4 and bit 7). physical = address | (iova & "
             "(vtd_level_size(level) - 1)); the rights are the AND of all entries."},
        .explanation =
            "A full walk reads 2 + 2 + 4 words. A device that moves 4 KiB in pieces of "
            "64 bytes would cost 512 of them: hence the IOTLB.",
    },
    {
        .id = "walk_names_the_reason",
        .title = "names the reason of each refusal",
        .tenths = 8,
        .target = TARGET_MODEL,
        .run = walk_names_the_reason,
        .why = "The reason says which table is wrong, and who has to mend it.",
        .handout = "Steps, 6",
        .slide = "IOMMU and virtualization",
        .manual = VTD("7, non-recoverable faults; appendix A"),
        .hints =
            {"Follow the order of the contract: entry by entry, and for each: readable, "
             "present, reserved bits, values.",
             "An entry that is not present has no reserved bits. The width is checked "
             "before "
             "the first table is read. Reserved bits come before rights.",
             "Reserved in a second-level entry: 62, 11, 51:haw; for a large page the "
             "address "
             "bits within it; bit 7 at level 4. SLPTPTR unreadable is 3, a later table 7."},
        .explanation =
            "Reasons 1 and 2 mean: nobody gave this device any memory. 5 and 6 are the "
            "everyday ones. The others say that the tables themselves are damaged.",
    },
    {
        .id = "cached_translations_spare_the_walk",
        .title = "translates from the IOTLB what lies in it",
        .tenths = 4,
        .target = TARGET_MODEL,
        .run = cached_translations_spare_the_walk,
        .why = "Without it, an access costs up to eight reads of tables: 4, and 4 levels.",
        .handout = "Steps, 7",
        .slide = "IOMMU",
        .manual = VTD("6.2.4, 6.5"),
        .hints =
            {"What identifies a translation: the device, or the domain?",
             "A hit needs domain, page and the right that this access needs. Without the "
             "right: walk. A refusal is never cached.",
             "entry = &iotlb[(iova / 4096) % 16]; of a large page, cache the 4 KiB that "
             "were "
             "asked for. iotlb_invalidate(): domain and range must match; mind that iova + "
             "size may wrap for UINT64_MAX."},
        .explanation =
            "Root and context entries are read each time here; real hardware has a "
            "context cache for them, with invalidations of its own.",
    },
    {
        .id = "unmap_leaves_nothing_stale",
        .title = "leaves no stale translation behind",
        .tenths = 6,
        .target = TARGET_MODEL,
        .run = unmap_leaves_nothing_stale,
        .why = "A page that is freed and still reachable belongs to somebody else by then.",
        .handout = "Steps, 5",
        .slide = "IOMMU",
        .manual = VTD("6.5"),
        .hints =
            {"The tables are right after your unmap. Who does not read the tables?",
             "Each page of the range has to go from the IOTLB, for this domain and for no "
             "other. What is left of a domain whose device was detached? And what does a "
             "device find that reads between two of your writes?",
             "iommu_unmap(), and the undo of iommu_map(): clear the entries, then "
             "iotlb_invalidate(iommu, id, iova, size). iommu_detach(): the low word, the "
             "high word, iotlb_invalidate(iommu, id, 0, UINT64_MAX)."},
        .explanation =
            "Linux may delay these invalidations (iommu.strict=0) to save time: for a "
            "few milliseconds the device can still reach freed pages.",
    },
    {
        .id = "fault_records_are_bit_exact",
        .title = "encodes and decodes fault records",
        .tenths = 4,
        .target = TARGET_MODEL,
        .run = fault_records_are_bit_exact,
        .why = "These 128 bits are all that the hardware tells.",
        .handout = "Steps, 9",
        .slide = "IOMMU and virtualization",
        .manual = VTD("10.4.14 (FRCD_REG)"),
        .hints =
            {"The drawing is in vtd.h. Which field is in which word?",
             "T is 1 for a read. The reason has eight bits, the source-id sixteen; what is "
             "between them is not yours.",
             "high = F | (read ? T : 0) | reason << 32 | source; low = page & ~0xfff. "
             "Decode with (uint8_t)(high >> 32) and (uint16_t)high."},
        .explanation =
            "The lower 12 bits of the address are not recorded: enough to repair a "
            "mapping, not to find the descriptor that was wrong.",
    },
    {
        .id = "one_record_collapses_or_overflows",
        .title = "keeps the first fault and tells of lost ones",
        .tenths = 3,
        .target = TARGET_MODEL,
        .run = one_record_collapses_or_overflows,
        .why = "A device can fault millions of times a second, with one place to note it.",
        .handout = "Steps, 11",
        .slide = "IOMMU and virtualization",
        .manual = VTD("7, primary fault logging; 10.4.9 (FSTS_REG)"),
        .hints =
            {"There are four cases. Which one is asked first?",
             "PFO set: nothing. F clear: record, PPF. F set: of the same device, nothing; "
             "of "
             "another, PFO.",
             "take: lost = PFO, clear PFO; if F: decode, clear F and PPF. The rest of the "
             "record stays as it is."},
        .explanation =
            "That is why a driver must not count on one report per refused access: it "
            "gets at least one, for the first.",
    },
    {
        .id = "faults_of_translations_are_recorded",
        .title = "records what it refuses, unless FPD is set",
        .tenths = 2,
        .target = TARGET_MODEL,
        .run = faults_of_translations_are_recorded,
        .why = "A refusal that nobody hears of is data that is silently wrong.",
        .handout = "Steps, 7",
        .slide = "IOMMU and virtualization",
        .manual = VTD("7, fault logging; 9.3 (FPD)"),
        .hints = {"For which faults has the IOMMU seen a context entry?",
                  "FPD counts once the context entry was read, even if its P is 0. Faults "
                  "at the "
                  "root table know nothing of it.",
                  "if (reason && !(context_was_read && (context[0] & VTD_CONTEXT_FPD))) "
                  "vtd_fault_log_add(...) with the page of the IOVA."},
        .explanation =
            "FPD silences a device that went wild, so that the others are still heard.",
    },
    {
        .id = "kernel_reports_are_decoded",
        .title = "reads the kernel's reports",
        .tenths = 4,
        .target = TARGET_MODEL,
        .run = kernel_reports_are_decoded,
        .why = "For a process this text is the only way to hear of a DMA fault.",
        .handout = "Steps, 13",
        .slide = "IOMMU and virtualization",
        .manual = "drivers/iommu/intel/dmar.c of Linux; common/include/dma_demand.h",
        .hints = {"Where does the report begin in the line, and where does it end for you?",
                  "strstr() for \"DMAR: [DMA \", then report_scan(), for each place in the "
                  "line. "
                  "How large can a device's number be, and a function's?",
                  "device up to 1fh, function up to 7, kind Read or Write. If one is "
                  "wrong, look "
                  "further behind this place. source = bus << 8 | device << 3 | function."},
        .explanation =
            "Parsing a log is a poor interface, and a rate-limited one. VFIO has no "
            "better for faults that cannot be recovered from.",
    },
    {
        .id = "demand_maps_each_page_once",
        .title = "maps a page when the device touches it",
        .tenths = 4,
        .target = TARGET_MODEL,
        .run = demand_maps_each_page_once,
        .why = "Fault, map, again: that is demand paging, for a device.",
        .handout = "Steps, 14",
        .slide = "IOMMU and virtualization",
        .manual = "common/include/dma_demand.h",
        .hints =
            {"When is the transfer made again, and when not?",
             "Read the log to its end after each transfer. A report of another device is "
             "not about you. The same page may be reported twice in one round.",
             "do { before = mapped; transfer; for each report of ours: repair; } while "
             "(there "
             "was one). dma_buffer_map(buffer, page, 1) maps; faults counts the pages."},
        .explanation =
            "A record holds one fault, so a transfer that touches n new pages may take "
            "n + 1 tries. A CPU's page fault costs one, because it can wait.",
    },
    {
        .id = "demand_gives_up_with_a_reason",
        .title = "gives up where mapping does not help",
        .tenths = 4,
        .target = TARGET_MODEL,
        .run = demand_gives_up_with_a_reason,
        .why = "A retry that can never succeed is an endless loop.",
        .handout = "Steps, 14",
        .slide = "IOMMU and virtualization",
        .manual = "common/include/dma_demand.h",
        .hints =
            {"Which faults can a mapping repair? In which order are the others named?",
             "Not in the buffer, another reason than 5 and 6, mapped before the transfer, "
             "not allowed by rights: in this order.",
             "Compare fault->page with buffer->iova before you subtract. `before` is the "
             "bitmap as it was when this round's transfer was made."},
        .explanation =
            "An operating system does the same: some page faults bring a page, the "
            "others a signal.",
    },
    {
        .id = "refused_accesses_are_reported",
        .title = "decodes what the real IOMMU refused",
        .tenths = 6,
        .target = TARGET_MACHINE,
        .fresh_machine = true,
        .run = refused_accesses_are_reported,
        .why = "Unmapped, read-only, unmapped again: the device reaches its windows only.",
        .handout = "Run it",
        .slide = "IOMMU and virtualization",
        .manual = VTD("7, fault logging; docs/specs/edu.txt of QEMU"),
        .hints = {"If the checks on the model pass, this one does.",
                  "The device is refused a read (reason 6) and two writes (reason 5); the "
                  "kernel "
                  "writes a line for each.",
                  "The lines come from /dev/kmsg and go through your dmar_report_parse()."},
        .explanation =
            "The device noticed nothing: its transfers ended as always. A refused read "
            "gave it zeros.",
    },
    {
        .id = "your_walk_agrees_with_the_machine",
        .title = "walks the tables that Linux has made",
        .tenths = 5,
        .target = TARGET_MACHINE,
        .run = your_walk_agrees_with_the_machine,
        .why = "Your IOMMU and the machine's have to agree on the same tables.",
        .handout = "Run it",
        .slide = "IOMMU",
        .manual = VTD("3.4, 3.7"),
        .hints =
            {"If the checks on the model pass, this one does.",
             "The tables were read out of the machine while VFIO's mappings were there: "
             "three "
             "levels, 39 bits.",
             "The root table, the context table and the second-level tables are pages of "
             "your vtd_memory; nothing else can be read."},
        .explanation =
            "You have just translated as QEMU's VT-d did: its trace said the same.",
    },
    {
        .id = "demand_works_on_the_device",
        .title = "maps on demand for the real device",
        .tenths = 6,
        .target = TARGET_MACHINE,
        .fresh_machine = true,
        .run = demand_works_on_the_device,
        .why = "The slide's page-fault interrupt, with what this hardware can do.",
        .handout = "Run it",
        .slide = "IOMMU and virtualization",
        .manual = VTD("7, non-recoverable faults"),
        .hints =
            {"If the checks on the model pass, this one does.",
             "Two transfers touch three new pages: five tries, three reports.",
             "Each try takes the device a tenth of a second. If it never ends: does your "
             "loop stop when there is no report?"},
        .explanation =
            "As many faults as pages: the device's first touch of each page, and "
            "nothing of the RAM around them was changed.",
    },
};

const struct lab_checks lab_checks = {
    .name = "09-iommu-faults",
    .title = "IOMMU faults",
    .checks = checks,
    .count = sizeof checks / sizeof checks[0],
};
