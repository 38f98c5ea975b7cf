/* The bounds are those of the limiter in shared memory: periods in nanoseconds, 32 bits of burst. */
#include "accounts/plan.h"

#include <ctype.h>
#include <string.h>

#include "accounts/list.h"
#include "accounts/usage_row.h"
#include "core/err.h"

#define NAME_LEN_MAX 15
#define SCOPES_LEN_MAX 255
#define COLUMNS                                                                                                      \
    "name, number, rate_per_s, burst, quota_day, quota_month, streams_max, keys_max, key_age_max_days, "             \
    "array_to_string(scopes, ','), price_month_cents"

/* struct plan, in its order. */
static const char sql_find[] = "SELECT " COLUMNS " FROM plan WHERE name = $1";
static const char sql_list[] = "SELECT " COLUMNS " FROM plan ORDER BY number";
/* 64 numbers, of BTCF_PLANS_MAX in the ABI; the lowest that no plan has. */
static const char sql_insert[] =
    "INSERT INTO plan (name, number, rate_per_s, burst, quota_day, quota_month, streams_max, keys_max, "
    "key_age_max_days, scopes, price_month_cents) "
    "SELECT $1, min(n), nullif($2, 0), $3, nullif($4, 0), nullif($5, 0), $6, $7, nullif($8, 0), "
    "string_to_array($9, ','), $10 FROM generate_series(0, 63) n "
    "WHERE NOT EXISTS (SELECT 1 FROM plan WHERE number = n) HAVING min(n) IS NOT NULL RETURNING number";
static const char sql_update[] =
    "UPDATE plan SET rate_per_s = nullif($2, 0), burst = $3, quota_day = nullif($4, 0), quota_month = nullif($5, 0), "
    "streams_max = $6, keys_max = $7, key_age_max_days = nullif($8, 0), scopes = string_to_array($9, ','), "
    "price_month_cents = $10 WHERE name = $1 RETURNING number";

static void read_plan(const struct db_rows *rows, size_t row, struct plan *plan)
{
    *plan = (struct plan){.name = db_text(rows, row, 0),
                          .number = db_i64(rows, row, 1),
                          .rate_per_s = db_f64(rows, row, 2),
                          .burst = db_i64(rows, row, 3),
                          .quota_day = db_i64(rows, row, 4),
                          .quota_month = db_i64(rows, row, 5),
                          .streams_max = db_i64(rows, row, 6),
                          .keys_max = db_i64(rows, row, 7),
                          .key_age_max_days = db_i64(rows, row, 8),
                          .scopes = db_text(rows, row, 9),
                          .price_month_cents = db_i64(rows, row, 10)};
}

int plan_find(const struct actor *actor, const char *name, struct plan *plan)
{
    struct db_rows rows;

    if (db_query(actor->db, actor->arena, sql_find, &rows, DB_TEXT(name), DB_END) < 0)
        return -1;
    if (rows.count == 0)
        return err_set(E_MISSING, "there is no plan \"%.32s\"; `btcf plan list` lists them", name);
    read_plan(&rows, 0, plan);
    return 0;
}

int plan_list(const struct actor *actor, struct plan **plans, size_t *count)
{
    struct db_rows rows;

    if (db_query(actor->db, actor->arena, sql_list, &rows, DB_END) < 0)
        return -1;
    *plans = arena_array(actor->arena, rows.count + 1, sizeof(**plans));
    *count = rows.count;
    for (size_t i = 0; i < rows.count; i++)
        read_plan(&rows, i, &(*plans)[i]);
    return 0;
}

static int check_name(const char *name)
{
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-");

    if (len >= 1 && len <= NAME_LEN_MAX && name[len] == '\0' && islower((unsigned char)name[0]))
        return 0;
    return err_set(E_INPUT, "a plan's name begins with a letter and has at most %d of a-z 0-9 _ -", NAME_LEN_MAX);
}

static int check_range(const char *what, int64_t value, int64_t min, int64_t max)
{
    if (value >= min && value <= max)
        return 0;
    return err_set(E_INPUT, "%s: %lld is not between %lld and %lld", what, (long long)value, (long long)min,
                   (long long)max);
}

static int check_rate(const struct plan *plan)
{
    if (!(plan->rate_per_s > 0)) /* no limit */
        return 0;
    if (plan->rate_per_s < PLAN_RATE_MIN || plan->rate_per_s > PLAN_RATE_MAX)
        return err_set(E_INPUT, "rate: %g is not between %g and %g units a second", plan->rate_per_s, PLAN_RATE_MIN,
                       PLAN_RATE_MAX);
    if ((double)plan->burst / plan->rate_per_s > PLAN_REFILL_MAX_S)
        return err_set(E_INPUT, "a burst of %lld at %g units a second takes more than a year to earn",
                       (long long)plan->burst, plan->rate_per_s);
    return 0;
}

/* Which scopes there are is known to whoever publishes them; here they must only be names. */
static int check_scopes(const char *scopes)
{
    size_t len = strspn(scopes, "abcdefghijklmnopqrstuvwxyz.,");

    if (scopes[len] == '\0' && len <= SCOPES_LEN_MAX)
        return 0;
    return err_set(E_INPUT, "scopes: \"%.40s\" is not a list of scopes", scopes);
}

static int check(const struct plan *plan)
{
    if (check_name(plan->name) < 0 || check_range("burst", plan->burst, 1, PLAN_BURST_MAX) < 0 ||
        check_rate(plan) < 0 || check_range("quota of a day", plan->quota_day, 0, PLAN_QUOTA_MAX) < 0 ||
        check_range("quota of a month", plan->quota_month, 0, PLAN_QUOTA_MAX) < 0 ||
        check_range("streams", plan->streams_max, 0, PLAN_STREAMS_MAX) < 0 ||
        check_range("keys", plan->keys_max, 0, PLAN_KEYS_MAX) < 0 ||
        check_range("age of a key", plan->key_age_max_days, 0, PLAN_KEY_AGE_MAX_DAYS) < 0 ||
        check_scopes(plan->scopes) < 0)
        return -1;
    return check_range("price", plan->price_month_cents, 0, PLAN_PRICE_MAX_CENTS);
}

static int write_plan(const struct actor *actor, const struct plan *plan, const char *sql, struct db_rows *rows)
{
    return db_query(actor->db, actor->arena, sql, rows, DB_TEXT(plan->name), DB_F64(plan->rate_per_s),
                    DB_I64(plan->burst), DB_I64(plan->quota_day), DB_I64(plan->quota_month),
                    DB_I64(plan->streams_max), DB_I64(plan->keys_max), DB_I64(plan->key_age_max_days),
                    DB_TEXT(plan->scopes), DB_I64(plan->price_month_cents), DB_END);
}

int plan_save(const struct actor *actor, struct plan *plan)
{
    struct db_rows rows;

    if (check(plan) < 0 || usage_row_lock_numbers(actor) < 0 || write_plan(actor, plan, sql_update, &rows) < 0)
        return -1;
    bool is_new = rows.count == 0;
    if (is_new && write_plan(actor, plan, sql_insert, &rows) < 0)
        return -1;
    if (rows.count == 0)
        return err_set(E_LIMIT, "there are as many plans as there can be");
    plan->number = db_i64(&rows, 0, 0);
    return audit_write(
        actor, is_new ? "plan.create" : "plan.change", "plan", plan->name,
        audit_detail(actor,
                     "{\"rate_per_s\": %.15g, \"burst\": %lld, \"quota_day\": %lld, \"quota_month\": %lld, "
                     "\"streams\": %lld, \"keys\": %lld, \"key_age_days\": %lld, \"scopes\": \"%s\", "
                     "\"price_cents\": %lld}",
                     plan->rate_per_s, (long long)plan->burst, (long long)plan->quota_day,
                     (long long)plan->quota_month, (long long)plan->streams_max, (long long)plan->keys_max,
                     (long long)plan->key_age_max_days, plan->scopes, (long long)plan->price_month_cents));
}
