-- What django-pgtrigger 4.17.0 renders (on Django 5.2) for one trigger whose body holds the 20 row rules:
--
--   class Pgtrigger(models.Model):
--       class Meta:
--           db_table = "pgtrigger"
--           triggers = [pgtrigger.Trigger(name="row_rules", when=pgtrigger.Before,
--                                         operation=pgtrigger.Insert | pgtrigger.Update, func=<20 IFs> + "RETURN NEW;")]
--
-- `Trigger.compile(Pgtrigger).install_sql`, with blank lines and trailing blanks taken out. Kept here so that the
-- benchmark needs no Django. The text around the IFs is the package's own and under its licence:
--
-- Copyright (c) 2025, Ambition
-- All rights reserved.
--
-- Redistribution and use in source and binary forms, with or without
-- modification, are permitted provided that the following conditions are met:
--
-- * Redistributions of source code must retain the above copyright
--   notice, this list of conditions and the following disclaimer.
--
-- * Redistributions in binary form must reproduce the above copyright
--   notice, this list of conditions and the following disclaimer in the
--   documentation and/or other materials provided with the distribution.
--
-- * Neither the name of the copyright holder nor the names of its
--   contributors may be used to endorse or promote products derived from
--   this software without specific prior written permission.
--
-- THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS AND CONTRIBUTORS "AS IS" AND
-- ANY EXPRESS OR IMPLIED WARRANTIES, INCLUDING, BUT NOT LIMITED TO, THE IMPLIED
-- WARRANTIES OF MERCHANTABILITY AND FITNESS FOR A PARTICULAR PURPOSE ARE
-- DISCLAIMED. IN NO EVENT SHALL AMBITION BE LIABLE FOR ANY
-- DIRECT, INDIRECT, INCIDENTAL, SPECIAL, EXEMPLARY, OR CONSEQUENTIAL DAMAGES
-- (INCLUDING, BUT NOT LIMITED TO, PROCUREMENT OF SUBSTITUTE GOODS OR SERVICES;
-- LOSS OF USE, DATA, OR PROFITS; OR BUSINESS INTERRUPTION) HOWEVER CAUSED AND
-- ON ANY THEORY OF LIABILITY, WHETHER IN CONTRACT, STRICT LIABILITY, OR TORT
-- (INCLUDING NEGLIGENCE OR OTHERWISE) ARISING IN ANY WAY OUT OF THE USE OF THIS
-- SOFTWARE, EVEN IF ADVISED OF THE POSSIBILITY OF SUCH DAMAGE.

            CREATE OR REPLACE FUNCTION "public"._pgtrigger_should_ignore(
                trigger_name NAME
            )
            RETURNS BOOLEAN AS $$
                DECLARE
                    _pgtrigger_ignore TEXT[];
                    _result BOOLEAN;
                BEGIN
                    BEGIN
                        SELECT INTO _pgtrigger_ignore
                            CURRENT_SETTING('pgtrigger.ignore');
                        EXCEPTION WHEN OTHERS THEN
                    END;
                    IF _pgtrigger_ignore IS NOT NULL THEN
                        SELECT trigger_name = ANY(_pgtrigger_ignore)
                        INTO _result;
                        RETURN _result;
                    ELSE
                        RETURN FALSE;
                    END IF;
                END;
            $$ LANGUAGE plpgsql;
            CREATE OR REPLACE FUNCTION pgtrigger_row_rules_81e54()
            RETURNS TRIGGER AS $$
                BEGIN
                    IF ("public"._pgtrigger_should_ignore(TG_NAME) IS TRUE) THEN
                        IF (TG_OP = 'DELETE') THEN
                            RETURN OLD;
                        ELSE
                            RETURN NEW;
                        END IF;
                    END IF;
                    IF NOT (NEW.f01 BETWEEN 0.0 AND 100.0) THEN RAISE EXCEPTION 'rule range_f01 violated' USING ERRCODE = 'check_violation'; END IF;
IF NOT (NEW.f02 BETWEEN 0.0 AND 100.0) THEN RAISE EXCEPTION 'rule range_f02 violated' USING ERRCODE = 'check_violation'; END IF;
IF NOT (NEW.f03 BETWEEN 0.0 AND 100.0) THEN RAISE EXCEPTION 'rule range_f03 violated' USING ERRCODE = 'check_violation'; END IF;
IF NOT (NEW.f04 BETWEEN 0.0 AND 100.0) THEN RAISE EXCEPTION 'rule range_f04 violated' USING ERRCODE = 'check_violation'; END IF;
IF NOT (NEW.f05 BETWEEN 0.0 AND 100.0) THEN RAISE EXCEPTION 'rule range_f05 violated' USING ERRCODE = 'check_violation'; END IF;
IF NOT (NEW.f06 BETWEEN 0.0 AND 100.0) THEN RAISE EXCEPTION 'rule range_f06 violated' USING ERRCODE = 'check_violation'; END IF;
IF NOT (NEW.f07 BETWEEN 0.0 AND 100.0) THEN RAISE EXCEPTION 'rule range_f07 violated' USING ERRCODE = 'check_violation'; END IF;
IF NOT (NEW.f08 BETWEEN 0.0 AND 100.0) THEN RAISE EXCEPTION 'rule range_f08 violated' USING ERRCODE = 'check_violation'; END IF;
IF NOT (NEW.f09 BETWEEN 0.0 AND 100.0) THEN RAISE EXCEPTION 'rule range_f09 violated' USING ERRCODE = 'check_violation'; END IF;
IF NOT (NEW.f10 BETWEEN 0.0 AND 100.0) THEN RAISE EXCEPTION 'rule range_f10 violated' USING ERRCODE = 'check_violation'; END IF;
IF NOT (NEW.f11 BETWEEN 0.0 AND 100.0) THEN RAISE EXCEPTION 'rule range_f11 violated' USING ERRCODE = 'check_violation'; END IF;
IF NOT (NEW.f12 BETWEEN 0.0 AND 100.0) THEN RAISE EXCEPTION 'rule range_f12 violated' USING ERRCODE = 'check_violation'; END IF;
IF NOT (NEW.i01 BETWEEN 0 AND 1000) THEN RAISE EXCEPTION 'rule range_i01 violated' USING ERRCODE = 'check_violation'; END IF;
IF NOT (NEW.i02 BETWEEN 0 AND 1000) THEN RAISE EXCEPTION 'rule range_i02 violated' USING ERRCODE = 'check_violation'; END IF;
IF NOT (NEW.i03 BETWEEN 0 AND 1000) THEN RAISE EXCEPTION 'rule range_i03 violated' USING ERRCODE = 'check_violation'; END IF;
IF NOT (NEW.i04 BETWEEN 0 AND 1000) THEN RAISE EXCEPTION 'rule range_i04 violated' USING ERRCODE = 'check_violation'; END IF;
IF NOT (NEW.t1 IN ('BR', 'CN', 'DE', 'FR', 'IN', 'JP', 'UK', 'US')) THEN RAISE EXCEPTION 'rule set_t1 violated' USING ERRCODE = 'check_violation'; END IF;
IF NOT (NEW.t2 IN ('bronze', 'gold', 'platinum', 'silver')) THEN RAISE EXCEPTION 'rule set_t2 violated' USING ERRCODE = 'check_violation'; END IF;
IF NOT (NEW.t1 IS NOT NULL) THEN RAISE EXCEPTION 'rule nn_t1 violated' USING ERRCODE = 'check_violation'; END IF;
IF NOT (NEW.t2 IS NOT NULL) THEN RAISE EXCEPTION 'rule nn_t2 violated' USING ERRCODE = 'check_violation'; END IF;
RETURN NEW;
                END;
            $$ LANGUAGE plpgsql;
            DROP TRIGGER IF EXISTS pgtrigger_row_rules_81e54 ON "pgtrigger";
            CREATE  TRIGGER pgtrigger_row_rules_81e54
                BEFORE INSERT OR UPDATE ON "pgtrigger"
                FOR EACH ROW
                EXECUTE PROCEDURE pgtrigger_row_rules_81e54();
            COMMENT ON TRIGGER pgtrigger_row_rules_81e54 ON "pgtrigger" IS '53c11786415fb4769abcee6b04c16363e05e0a8e';
