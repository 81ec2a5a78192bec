drop function mlguard._masked_rules(jsonb, text[]);
drop function mlguard._masked(jsonb, text[]);
drop function mlguard.kept_out_warning_v1(text, bigint);
drop function mlguard.withhold_v1(text, jsonb, jsonb, text, jsonb, text, boolean);
drop function mlguard._refuse_above_cap(text, bigint);
