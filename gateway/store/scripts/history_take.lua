-- Take the lease of a history, if nobody has it.
--
-- KEYS  state, lease
-- ARGV  token, lease_ms
--
-- {'taken', next}; next is '' where there is no history yet · {'held'} by somebody else
local holder = redis.call('GET', KEYS[2])
if holder and holder ~= ARGV[1] then
  return {'held'}
end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
return {'taken', redis.call('HGET', KEYS[1], 'next') or ''}
