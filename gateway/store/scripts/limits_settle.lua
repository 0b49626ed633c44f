-- Charge limits with what an edge has used of them, and give it what it would like to have, as far as there is any.
--
-- KEYS  limits, of one slot: level, and when that was (ms)
-- ARGV  for each: per_second, burst, used, wanted
-- Returns what was given, for each, as text.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local given = {}
for i, key in ipairs(KEYS) do
    local per_second, burst = tonumber(ARGV[i * 4 - 3]), tonumber(ARGV[i * 4 - 2])
    local used, wanted = tonumber(ARGV[i * 4 - 1]), tonumber(ARGV[i * 4])
    local kept = redis.call('HMGET', key, 'level', 'at')
    local level = burst
    if kept[1] then
        local passed = math.max(0, now - tonumber(kept[2])) / 1000
        level = math.min(burst, tonumber(kept[1]) + passed * per_second)
    end
    level = math.min(burst, math.max(-burst, level - used))
    local grant = math.max(0, math.min(wanted, level))
    level = level - grant
    given[i] = string.format('%.3f', grant)
    if level >= burst then
        redis.call('DEL', key)
    else
        redis.call('HSET', key, 'level', string.format('%.3f', level), 'at', string.format('%.0f', now))
        redis.call('PEXPIRE', key, math.ceil((burst - level) / per_second * 1000) + 1000)
    end
end
return given
