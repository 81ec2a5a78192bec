drop function mlguard.discard(bigint, text);
drop function mlguard.replay(regclass);
drop function mlguard.release(bigint, jsonb);
drop function mlguard._decide(bigint, text, text);
drop function mlguard._offer(mlguard._quarantine, jsonb);
