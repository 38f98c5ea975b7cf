/* How an estimate is told: JSON for programs, a table for people. */
#ifndef CMD_FIT_REPORT_H
#define CMD_FIT_REPORT_H

#include "core/base.h"
#include "models/estimate.h"

/* Both go to standard output. E_STORE when it cannot be written. */
int fit_report_json(const char *model, const struct estimate *estimate) BTCF_MUST_CHECK;
int fit_report_table(const char *model, const struct estimate *estimate) BTCF_MUST_CHECK;

#endif
