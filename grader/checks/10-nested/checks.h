/* checks.h - what the topics of lab 10's checks share: numbers, and the names in the table. */
#ifndef CHECKS_10_H
#define CHECKS_10_H

#include "judge/check.h"
#include "judge/random.h"
#include "judge/script.h"
#include "subjects/10-nested.h"

#define PAGE 4096ull
#define MB2  (2ull << 20)
#define GB1  (1ull << 30)

static inline uint32_t random_below(struct judge *judge, uint32_t limit)
{
    return (uint32_t)judge_random_below(judge, limit);
}

void exits_go_to_who_asked(struct judge *judge);
void page_faults_are_filtered(struct judge *judge);
void ports_and_msrs_go_by_bitmap(struct judge *judge);
void merged_bitmaps_miss_nothing(struct judge *judge);
void merged_controls_are_right(struct judge *judge);
void merged_state_is_l2s(struct judge *judge);
void reflected_exit_is_in_vmcs12(struct judge *judge);
void l1_goes_on_at_its_host_state(struct judge *judge);
void ept02_is_the_composition(struct judge *judge);
void miss_goes_to_its_level(struct judge *judge);
void page_is_filled_on_demand(struct judge *judge);
void forgotten_ept02_maps_nothing(struct judge *judge);
void ept02_translates_on_the_cpu(struct judge *judge);
void l2_is_launched_by_vmx(struct judge *judge);
void vmx_exits_are_answered(struct judge *judge);
void vmx_ends_are_told(struct judge *judge);
void l2_runs_under_l1(struct judge *judge);
void svm_exits_are_answered(struct judge *judge);
void exits_of_l2_go_to_their_level(struct judge *judge);
void svm_ends_are_told(struct judge *judge);

#endif
