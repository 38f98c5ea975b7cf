-- For wrk: as cycle.lua, with a pause before each request of a connection: $PAUSE_MS, give or take a half.
dofile((os.getenv('LIB') or '.') .. '/cycle.lua')

local pause_ms = tonumber(os.getenv('PAUSE_MS'))

function delay()
    return math.floor(pause_ms * (0.5 + math.random()) + math.random())
end
