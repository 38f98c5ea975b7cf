-- For wrk: sends the requests of the file $REQUESTS in turn, one header line each, so that a run has many users.
-- Without a file every request is the one that wrk's own options describe. Ends with one line for a program:
--     RESULT answers refused broken p50_us p99_us bytes      refused: a status of 400 or more; bytes: of one answer
local requests, count, at = {}, 0, 0

function init(args)
    local path = os.getenv('REQUESTS')
    if path and path ~= '' then
        for line in io.lines(path) do
            local name, value = line:match('^([^:]+): (.*)$')
            count = count + 1
            wrk.headers[name] = value -- beside those of wrk's own -H
            requests[count] = wrk.format()
        end
    else
        count, requests[1] = 1, wrk.format()
    end
end

function request()
    at = at % count + 1
    return requests[at]
end

function done(summary, latency)
    local errors = summary.errors
    io.write(string.format('RESULT %d %d %d %.1f %.1f %.0f\n', summary.requests, errors.status,
        errors.connect + errors.read + errors.write + errors.timeout, latency:percentile(50), latency:percentile(99),
        summary.bytes / summary.requests))
end
