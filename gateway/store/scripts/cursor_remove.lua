-- Forget a cursor, or one channel of it.
--
-- KEYS  index, who, swept, channels (see gateway/store/cursors.py)
-- ARGV  cursor [, channel]
--
-- How many positions there were
local removed
if ARGV[2] then
  removed = redis.call('HDEL', KEYS[4], ARGV[2])
else
  removed = redis.call('HLEN', KEYS[4])
  redis.call('DEL', KEYS[4])
end
if redis.call('EXISTS', KEYS[4]) == 0 then
  redis.call('ZREM', KEYS[1], ARGV[1])
end
if redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('DEL', KEYS[2], KEYS[3])
end
return removed
