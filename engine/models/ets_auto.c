/* Names of the forms, and the choice among them: each is fitted, the least AICc wins (Hyndman et al. 2002). */
#include <math.h>
#include <stdio.h>

#include "core/err.h"
#include "core/str.h"
#include "models/ets.h"

/* Takes the word's letter off the text when it stands there. */
static bool take(struct str *text, char letter)
{
    if (text->len == 0 || text->ptr[0] != letter)
        return false;
    text->ptr++;
    text->len--;
    return true;
}

int ets_parse(const char *text, size_t period, struct ets_form *form)
{
    struct str rest = str_of(text);
    bool is_good = true;

    *form = (struct ets_form){.period = 1};
    form->is_relative = take(&rest, 'M');
    is_good = form->is_relative || take(&rest, 'A');
    form->has_trend = take(&rest, 'A');
    form->is_damped = form->has_trend && take(&rest, 'd');
    is_good = is_good && (form->has_trend || take(&rest, 'N'));
    if (take(&rest, 'A'))
        form->season = ETS_SEASON_ADDED;
    else if (form->is_relative && take(&rest, 'M'))
        form->season = ETS_SEASON_TIMES;
    else
        is_good = is_good && take(&rest, 'N');
    if (!is_good || rest.len > 0)
        return err_set(
            E_INPUT, "form \"%s\" is none of error A or M, trend N, A or Ad, season N, A or (after error M) M", text);
    if (form->season != ETS_SEASON_NONE)
        form->period = period;
    return 0;
}

void ets_name(const struct ets_form *form, char name[ETS_NAME_BYTES])
{
    static const char seasons[] = "NAM";

    snprintf(name, ETS_NAME_BYTES, "ETS(%c,%s,%c)", form->is_relative ? 'M' : 'A',
             form->is_damped   ? "Ad"
             : form->has_trend ? "A"
                               : "N",
             seasons[form->season]);
}

int ets_choose(const struct ets_data *data, struct ets_fit *fit)
{
    static const char *const forms[] = {"ANN",  "AAN", "AAdN", "MNN",  "MAN", "MAdN", "ANA", "AAA",
                                        "AAdA", "MNA", "MAA",  "MAdA", "MNM", "MAM",  "MAdM"};
    bool is_found = false;

    for (size_t i = 0; i < BTCF_LENGTH(forms); i++) {
        struct ets_form form;
        struct ets_fit candidate;

        if (ets_parse(forms[i], data->period, &form) < 0)
            return -1;
        if (form.season != ETS_SEASON_NONE && !data->has_season)
            continue;
        if (ets_estimate(data, &form, &candidate) < 0) {
            err_clear(); /* this form is none for these values; another may be */
            continue;
        }
        if (isfinite(candidate.aicc) && (!is_found || candidate.aicc < fit->aicc)) {
            *fit = candidate;
            is_found = true;
        }
    }
    return is_found ? 0 : err_set(E_INPUT, "%zu values are too few for exponential smoothing", data->count);
}
