-- Begin a history, or begin it anew where it cannot go on: what was written before is then no longer proof of anything.
--
-- KEYS  state, lease, marks
-- ARGV  token, expected (the next that it has; '' for none), floor, ttl_ms, time_ms…
--
-- {'written', floor} · {'fenced'} · {'elsewhere', next}: it is not as expected
if redis.call('GET', KEYS[2]) ~= ARGV[1] then
  return {'fenced'}
end
local next = redis.call('HGET', KEYS[1], 'next') or ''
if next ~= ARGV[2] then
  return {'elsewhere', next}
end
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
redis.call('DEL', KEYS[1], KEYS[3])
redis.call('HSET', KEYS[1], 'floor', ARGV[3], 'next', ARGV[3], 'at', now, 'marked', now)
for argument = 5, #ARGV do
  redis.call('HSET', KEYS[1], 'safe:' .. ARGV[argument], ARGV[3])
end
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return {'written', ARGV[3]}
