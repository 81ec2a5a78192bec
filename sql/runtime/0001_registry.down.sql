drop function mlguard._record(text, text, jsonb, jsonb, text);
drop table mlguard._event;
drop function mlguard._refuse_rewriting();
drop table mlguard._waiver;
drop table mlguard._object;
drop table mlguard._slo;
drop table mlguard._table;

-- Under Alembic its version table still lives here and the uninstaller takes both away.
do $mlguard$
begin
  if pg_catalog.to_regclass('mlguard.alembic_version') is null then
    drop schema mlguard;
  end if;
end
$mlguard$;
