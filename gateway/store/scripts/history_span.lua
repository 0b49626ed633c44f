-- Between which offsets a history has everything, of channels that are kept as long as this one.
--
-- KEYS  state, stream (not read)
-- ARGV  (not read), (not read), (not read), safe (field of the state), patience_ms
--
-- {'page', next, least} or {reason} where there is no proof
local floor, next, at, safe = unpack(redis.call('HMGET', KEYS[1], 'floor', 'next', 'at', ARGV[4]))
if not next or not safe then
  return {'missing'}
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if now - tonumber(at) > tonumber(ARGV[5]) then
  return {'unattended'}
end
return {'page', next, string.format('%.0f', math.max(tonumber(floor), tonumber(safe)))}
