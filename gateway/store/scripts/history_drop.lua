-- Forget how far a history goes, so that whoever writes it begins anew; for when it may have holes.
--
-- KEYS  state, lease, marks
-- ARGV  token
if redis.call('GET', KEYS[2]) ~= ARGV[1] then
  return {'fenced'}
end
redis.call('DEL', KEYS[1], KEYS[3])
return {'dropped'}
