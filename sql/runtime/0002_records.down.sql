drop table mlguard._freshness;
drop table mlguard._hold;
drop table mlguard._violation;
drop table mlguard._change;
drop table mlguard._quarantine;
drop table mlguard._delta;
drop table mlguard._batch;
drop sequence mlguard.batch_id;
