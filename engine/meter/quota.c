/* See quota.h. The two checks are one statement with two ways to choose accounts. A row is written only when something
 * changes, because each write has the publisher look.
 */
#include "meter/quota.h"

#include "core/err.h"
#include "shm/limit.h"
#include "store/db.h"

/* $1: now, $2: day, $3: its end, $4: month, $5: its end. A month used up blocks for longer than a day, so it goes first.
 * Indexes: the primary keys of account and usage_total. */
#define SQL_CHECK(CHOSEN)                                                                                            \
    "WITH verdict AS (SELECT a.id, CASE WHEN m.units >= p.quota_month THEN 'month'"                                  \
    " WHEN d.units >= p.quota_day THEN 'day' END AS period FROM account a JOIN plan p ON p.name = a.plan"            \
    " LEFT JOIN usage_total d ON d.account_id = a.id AND d.period = 'day' AND d.number = $2::bigint"                 \
    " LEFT JOIN usage_total m ON m.account_id = a.id AND m.period = 'month' AND m.number = $4::bigint"               \
    " WHERE " CHOSEN "), wanted AS (SELECT id, coalesce(period, 'day') AS period,"                                   \
    " CASE period WHEN 'month' THEN $5::bigint WHEN 'day' THEN $3::bigint ELSE 0 END AS until_s FROM verdict)"       \
    " UPDATE account a SET blocked_until_s = w.until_s, blocked_period = w.period FROM wanted w WHERE a.id = w.id"   \
    " AND CASE WHEN w.until_s = 0 THEN a.blocked_until_s > $1::bigint"                                               \
    " ELSE (a.blocked_until_s, a.blocked_period) IS DISTINCT FROM (w.until_s, w.period) END"

static const char sql_check[] = SQL_CHECK("a.id = ANY($6::bigint[])");
/* Index: account_blocked. */
static const char sql_check_blocked[] = SQL_CHECK("a.blocked_until_s > $1::bigint AND a.blocked_until_s > 0");

#define PERIODS_AT(now_s)                                                                                            \
    DB_I64(now_s), DB_I64(btcf_period_number(BTCF_PERIOD_DAY, now_s)),                                               \
        DB_I64(btcf_period_end_s(BTCF_PERIOD_DAY, now_s)), DB_I64(btcf_period_number(BTCF_PERIOD_MONTH, now_s)),     \
        DB_I64(btcf_period_end_s(BTCF_PERIOD_MONTH, now_s))

int quota_check(struct db *db, const int64_t *account_ids, size_t count, int64_t now_s)
{
    if (db_exec(db, sql_check, NULL, PERIODS_AT(now_s), DB_I64_ARRAY(account_ids, count), DB_END) < 0)
        return err_wrap("while looking at quotas");
    return 0;
}

int quota_check_blocked(struct db *db, int64_t now_s)
{
    if (db_exec(db, sql_check_blocked, NULL, PERIODS_AT(now_s), DB_END) < 0)
        return err_wrap("while looking at blocked accounts");
    return 0;
}
