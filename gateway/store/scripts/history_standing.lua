-- What every look at a history begins with: whether it is there, and its writer is about.
--
-- KEYS  state, ...
-- ARGV  ..., ..., ..., safe (field of the state), patience_ms
--
-- Goes on with floor, next and safe, or ends with {reason}, since nothing is proven then.
local floor, next, at, safe = unpack(redis.call('HMGET', KEYS[1], 'floor', 'next', 'at', ARGV[4]))
if not next or not safe then
  return {'missing'}
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if now - tonumber(at) > tonumber(ARGV[5]) then
  return {'unattended'}
end
