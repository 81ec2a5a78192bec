"""`mlguard validate`."""

from __future__ import annotations

import click

from mlguard.cli.echo import out, say
from mlguard.cli.state import FILES, State, formats, shared
from mlguard.errors import CompileError, Exit, Problem, SpecError


@click.command("validate")
@shared(*FILES)
@click.option("--print-schema", is_flag=True, help="Print the JSON Schema of SLO files and stop.")
@formats("text", "json", "github", "sarif")
@click.pass_obj
def command(state: State, print_schema: bool, style: str) -> Exit:
    """Lint SLO files; needs no database.

    Every fault of every file is reported at once, with its line. Exit code 2 when there is one.

    What only the database can tell (whether table and columns exist, types that the file does not declare) is judged
    by `plan`.
    """
    if print_schema:
        from mlguard.spec.schema import export

        out(export().rstrip())
        return Exit.HOLDS
    from mlguard.compile import compile_project

    problems: tuple[Problem, ...] = ()
    files: tuple[str, ...] = ()
    try:
        project = state.project()
        compile_project(project, None)
        files = tuple(str(file.table) for file in project.files)
    except (SpecError, CompileError) as error:
        problems = error.problems
    if text := _report(problems, files, style):
        out(text)
    _summary(problems, files)
    return Exit.USAGE if problems else Exit.HOLDS


def _report(problems: tuple[Problem, ...], tables: tuple[str, ...], style: str) -> str:
    if style == "github":
        from mlguard.report.github import of_problems

        return of_problems(problems)
    if style == "sarif":
        from mlguard import __version__
        from mlguard.report import sarif

        return sarif.of_problems(problems, __version__)
    if style == "json":
        from mlguard.report.markup import dumps

        return dumps({"valid": not problems, "tables": list(tables), "problems": [_problem(p) for p in problems]})
    return "\n\n".join(problem.render() for problem in problems)


def _problem(problem: Problem) -> dict[str, object]:
    where = problem.where
    return {
        "message": problem.message,
        "help": problem.help,
        "file": where.file if where else None,
        "line": where.line if where else None,
        "column": where.column if where else None,
    }


def _summary(problems: tuple[Problem, ...], tables: tuple[str, ...]) -> None:
    from mlguard.report.columns import count

    if problems:
        files = {problem.where.file for problem in problems if problem.where and problem.where.line}
        say(count(len(problems), "fault") + (f" in {count(len(files), 'file')}" if files else ""))
    else:
        say(f"{count(len(tables), 'SLO file')} without a fault")
