drop function mlguard._health(text);
drop function mlguard._refusals();
drop function mlguard.sweep(timestamptz);
drop function mlguard.waive(text, timestamptz, text);
drop function mlguard.off(text, interval, text);
drop function mlguard._except(text, text, timestamptz, text);
