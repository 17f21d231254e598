"""A run in a worktree of its own: what it sees, what is kept of it, and what its user never notices."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from praisonrun.core.errors import Invalid
from praisonrun.core.model import Failure, Snapshot, Status
from praisonrun.engine.engine import Choice, Engine, Submit
from praisonrun.files.worktrees import Worktree, name_of

from ..engine.test_engine import printed, until_printed
from ..rigs.harness import Engines, ran, submit, until
from ..rigs.repositories import git, linked, state_of
from .conftest import Ran


def kept(shown: Snapshot) -> dict[str, Any]:
    """Return what became of a run's worktree."""
    assert shown.run.summary is not None, shown.run
    found = shown.run.summary["worktree"]
    assert isinstance(found, dict)
    return found


def tree_of(engine: Engine, shown: Snapshot) -> Worktree:
    return engine.files.worktree(shown.run.id)


def patch_of(engine: Engine, shown: Snapshot) -> Path:
    return engine.files.folder(shown.run.id) / "artifacts" / "changes.patch"


def test_names_of_worktrees_are_different_for_different_runs() -> None:
    suffix = "0" * 31 + "a"
    assert name_of(f"run_{suffix}", f"run_{suffix}") == suffix
    assert name_of(suffix, suffix) == f"={suffix}"
    assert name_of("Mine", "=jvuw4zi") == "=jvuw4zi"


async def test_what_it_changes_becomes_a_branch_and_a_patch(engine: Engine, repo: Path, run: Ran) -> None:
    before, base = state_of(repo), git(repo, "rev-parse", "HEAD")
    script = """
        git status --porcelain; pwd -P; cat sub/file link
        echo two > sub/file; rm program; ln -sfn bytes link; echo new > 'with space'; chmod 755 bytes
        printf 'a\\0b' >> bytes; mkdir deep; echo x > deep/file; echo secret > ignored
    """
    shown = await run(script)
    assert shown.run.status is Status.SUCCEEDED, shown.run
    tree = tree_of(engine, shown)
    assert (await printed(engine, shown.run.id)).splitlines() == [os.path.realpath(tree.path), "one", "one"]
    suffix = shown.run.id.removeprefix("run_")
    assert tree.path == str(engine.files.root / "worktrees" / suffix)
    found = kept(shown)
    assert found == {"branch": f"praisonrun/{suffix}", "commit": found["commit"], "files": 6}
    assert shown.run.worktree_base == base
    assert not os.path.lexists(tree.path)
    assert not tree.exists()
    assert linked(repo) == []
    assert state_of(repo) == before
    # The branch has it all, in one commit of ours.
    branch = found["branch"]
    assert git(repo, "rev-parse", branch) == found["commit"]
    assert git(repo, "log", "--format=%P|%an|%ae|%cn", "-1", branch) == (
        f"{base}|praisonrun|praisonrun@localhost|praisonrun"
    )
    assert git(repo, "diff", "--name-status", base, branch).splitlines() == [
        "M\tbytes", "A\tdeep/file", "M\tlink", "D\tprogram", "M\tsub/file", "A\twith space",
    ]  # fmt: skip
    assert git(repo, "ls-tree", "--format=%(objectmode)", branch, "bytes", "link").split() == [
        "100755",
        "120000",
    ]
    # The patch makes the same of the base.
    patch = patch_of(engine, shown)
    git(repo, "apply", "--index", str(patch))
    assert git(repo, "write-tree") == git(repo, "rev-parse", f"{branch}^{{tree}}")


async def test_nothing_changed_leaves_nothing(engine: Engine, repo: Path, run: Ran) -> None:
    before = state_of(repo)
    shown = await run("touch program; echo x > ignored; git status --porcelain; git stash list")
    assert kept(shown) == {}
    assert await printed(engine, shown.run.id) == ""
    assert not os.path.lexists(tree_of(engine, shown).path)
    assert not patch_of(engine, shown).exists()
    assert state_of(repo) == before
    assert git(repo, "branch", "--list", "praisonrun/*") == ""


async def test_uncommitted_changes_are_not_in_it_and_are_counted(
    engine: Engine, repo: Path, run: Ran
) -> None:
    (repo / "sub" / "file").write_text("mine\n")
    (repo / "untracked").write_text("mine\n")
    git(repo, "rm", "-q", "--cached", "program")
    before = state_of(repo)
    shown = await run("cat sub/file; ls untracked")
    log = await engine.journals.result(shown.run)
    assert "one" in str(log.value)
    said = (engine.files.journal(shown.run.id)).read_bytes()
    assert f"praisonrun: 4 uncommitted changes of {repo} are not in this run's worktree\n".encode() in said
    assert state_of(repo) == before
    assert kept(shown) == {}


async def test_a_nested_directory_stays_the_same_one(engine: Engine, repo: Path, run: Ran) -> None:
    (repo / "new" / "er").mkdir(parents=True)  # of no commit
    for below in ("sub", "new/er"):
        shown = await run("pwd -P; echo x > made", cwd=str(repo / below))
        assert (
            await printed(engine, shown.run.id)
            == f"{os.path.realpath(tree_of(engine, shown).path)}/{below}\n"
        )
        found = kept(shown)
        assert git(repo, "diff", "--name-only", "HEAD", found["branch"]) == f"{below}/made"
        assert git(repo, "show", f"{found['branch']}:{below}/made") == "x"


async def test_an_agent_that_commits_itself(repo: Path, run: Ran) -> None:
    who = "git -c user.name=a -c user.email=a@b"
    shown = await run(f"{who} commit -q --allow-empty -m empty; git rev-parse HEAD")
    found = kept(shown)
    assert found["files"] == 0
    assert git(repo, "log", "--format=%s", "main.." + found["branch"]) == "empty"
    shown = await run(f"echo a > a; git add a; {who} commit -q -m mine; echo b > b")
    found = kept(shown)
    assert git(repo, "log", "--format=%s", "main.." + found["branch"]).splitlines()[1:] == ["mine"]
    assert git(repo, "diff", "--name-only", "main", found["branch"]).split() == ["a", "b"]
    # A branch of its own stays where it put it.
    shown = await run(f"git checkout -q -b theirs; echo c > c; git add c; {who} commit -q -m c")
    assert git(repo, "rev-parse", "theirs") == kept(shown)["commit"]
    assert git(repo, "rev-parse", "--abbrev-ref", "HEAD") == "main"


async def test_an_agent_that_removes_its_worktree(engine: Engine, repo: Path, run: Ran) -> None:
    shown = await run('rm -rf "$PWD"')
    assert (shown.run.status, kept(shown)) == (Status.SUCCEEDED, {})
    who = "git -c user.name=a -c user.email=a@b"
    shown = await run(f'{who} commit -q --allow-empty -m c; d=$PWD; cd /; rm -rf "$d"')
    assert git(repo, "log", "--format=%s", "-1", kept(shown)["branch"]) == "c"
    shown = await run('cd /; git -C "$OLDPWD" worktree remove --force "$OLDPWD"')
    assert kept(shown) == {"error": "its agent removed the worktree"}
    assert not tree_of(engine, shown).exists()
    assert linked(repo) == []
    shown = await run("rm -rf .git; echo x > x")
    assert git(repo, "diff", "--name-only", "main", kept(shown)["branch"]) == "x"


async def test_outputs_are_taken_before_it_goes(engine: Engine, run: Ran) -> None:
    shown = await run("echo built > ignored", agent="left")
    assert shown.run.summary is not None
    (output,) = shown.run.summary["outputs"]["outputs"]
    assert output["status"] == "available"
    assert (engine.files.folder(shown.run.id) / "artifacts" / "ignored").read_text() == "built\n"
    assert kept(shown) == {}


async def test_attempts_share_it_and_a_failed_run_keeps_its_changes(repo: Path, run: Ran) -> None:
    shown = await run("echo x >> tries; exit 3", agent="again")
    assert (shown.run.attempt, shown.run.failure) == (2, Failure.EXIT_NONZERO)
    assert git(repo, "show", f"{kept(shown)['branch']}:tries") == "x\nx"


async def test_a_cancel_keeps_what_there_is(engine: Engine, repo: Path) -> None:
    run_id = await submit(engine, "sh", "echo x > made; echo up; sleep 100", cwd=str(repo))
    shown = await until(engine, run_id, lambda shown: shown.pid is not None)
    assert shown.worktree == tree_of(engine, shown).path
    await until_printed(engine, run_id, "up")
    shown = await engine.cancel(run_id)
    assert shown.run.status is Status.CANCELLED
    assert git(repo, "show", f"{kept(shown)['branch']}:made") == "x"


async def test_a_cancel_between_two_attempts(engine: Engine, repo: Path) -> None:
    run_id = await submit(engine, "later", "echo x > made; exit 1", cwd=str(repo))
    waits = await until(engine, run_id, lambda shown: shown.run.due_at > 0)
    assert os.path.exists(tree_of(engine, waits).path)
    await engine.cancel(run_id)
    shown = await until(engine, run_id, lambda shown: bool(shown.run.summary))
    assert shown.run.status is Status.CANCELLED
    assert git(repo, "show", f"{kept(shown)['branch']}:made") == "x"
    assert patch_of(engine, shown).exists()


async def test_a_retry_begins_at_what_is_checked_out_by_then(engine: Engine, repo: Path, run: Ran) -> None:
    first = await run("exit 1")
    git(repo, "commit", "-q", "--allow-empty", "-m", "second")
    again, _ = await engine.retry(first.run.id, {})
    done = await engine.until_final(again.run.id)
    assert done.run.worktree_base == git(repo, "rev-parse", "HEAD") != first.run.worktree_base


async def test_a_deleted_run_leaves_its_branch_and_nothing_else(engine: Engine, repo: Path, run: Ran) -> None:
    who = "git -c user.name=a -c user.email=a@b -C inner"
    shown = await run(
        f"git init -q inner; {who} commit -q --allow-empty -m i; echo x > inner/file; echo y > y"
    )
    found, tree = kept(shown), tree_of(engine, shown)
    assert found["path"] == tree.path
    assert "repositories inside of it are not in the branch" in found["error"]
    assert Path(tree.path, "inner", "file").read_text() == "x\n"
    assert git(repo, "diff", "--name-only", "main", found["branch"]).split() == ["inner", "y"]
    assert engine.files.size(shown.run.id) > 8192
    await engine.delete(shown.run.id)
    assert not os.path.exists(tree.path)
    assert not tree.exists()
    assert linked(repo) == []
    assert git(repo, "rev-parse", found["branch"]) == found["commit"]


async def test_what_an_earlier_server_had_begun_is_made_anew_or_ended(engines: Engines, repo: Path) -> None:
    async with engines() as engine:
        waits = await submit(engine, "later", "echo x > made; exit 1", cwd=str(repo))
        shown = await until(engine, waits, lambda shown: shown.run.due_at > 0)
        tree = tree_of(engine, shown)
        made = tree.made()
        assert made is not None
        run = await engine.store.change(waits, lambda run: run._replace(due_at=1, worktree_base=made.base))
    # A git that was killed in the middle, and a run whose cancel was stored but not acted upon.
    Path(tree.own, "index.lock").write_text("")
    async with engines() as engine:
        shown = await engine.until_final(run.id)
        assert git(repo, "show", f"{kept(shown)['branch']}:made") == "x"
        assert not tree.exists()


async def test_where_there_can_be_none(engine: Engine, repo: Path, tmp_path: Path) -> None:
    async def told(cwd: Path, **more: Any) -> str:
        with pytest.raises(Invalid) as error:
            await engine.submit(Submit(Choice("sh"), "x", cwd=str(cwd), **more))
        assert error.value.field == ("session_id" if more else "cwd")
        return error.value.message

    (tmp_path / "none").mkdir()
    assert "is in no git repository, and `worktree: true` needs one" in await told(tmp_path / "none")
    git(tmp_path, "init", "-q", "--bare", "bare")
    assert "is in a bare repository" in await told(tmp_path / "bare")
    git(tmp_path, "init", "-q", "empty")
    assert "has no commit yet" in await told(tmp_path / "empty")
    assert "is in no checkout" in await told(repo / ".git")
    assert "cannot continue a session; leave out session_id" in await told(repo, session_id="s")
    (repo / ".git" / "config").write_text("[broken")
    assert "bad config" in await told(repo)
    assert (await engine.store.totals())[Status.QUEUED] == 0
    with pytest.raises(Invalid) as error:
        await engine.submit(Submit(Choice("sh"), "x"))
    assert error.value.field == "agent"


async def test_without_git(
    tmp_path: Path, scripted: Path, repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ..rigs.harness import engine_in

    monkeypatch.setenv("PATH", str(tmp_path))
    async with engine_in(tmp_path / "state", scripted, cwd_root=(tmp_path,)) as engine:
        with pytest.raises(Invalid, match="git is not on PATH; install it with: apt install git"):
            await submit(engine, "sh", "x", cwd=str(repo))


async def test_a_repository_that_goes_before_the_start_fails_the_run(engine: Engine, repo: Path) -> None:
    await engine.queue.pause("sh")
    run_id = await submit(engine, "sh", "x", cwd=str(repo))
    os.rename(repo / ".git", repo / "away")
    await engine.queue.resume("sh")
    shown = await engine.until_final(run_id)
    assert shown.run.failure is Failure.SPAWN_FAILED
    assert "is in no git repository" in str(shown.run.error)
    assert not tree_of(engine, shown).exists()


async def test_detached_linked_and_locked_checkouts(
    engine: Engine, repo: Path, tmp_path: Path, run: Ran
) -> None:
    (repo / ".git" / "index.lock").write_text("")  # of another git
    git(repo, "worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    git(tmp_path / "side", "commit", "-q", "--allow-empty", "-m", "side")
    git(tmp_path / "side", "checkout", "-q", "--detach")
    shown = await ran(engine, "sh", "echo x > x", cwd=str(tmp_path / "side"))
    found = kept(shown)
    assert git(repo, "log", "--format=%s", "-1", f"{found['branch']}^") == "side"
    assert (await run("echo x > x")).run.summary
    assert (repo / ".git" / "index.lock").exists()
    assert linked(repo) == ["side"]


async def test_branches_that_are_there_already(repo: Path, run: Ran) -> None:
    git(repo, "branch", "praisonrun")
    shown = await run("echo x > x")
    assert kept(shown)["branch"] == f"praisonrun-{shown.run.id.removeprefix('run_')}"
    assert git(repo, "rev-parse", "praisonrun") == shown.run.worktree_base


async def test_a_copy_of_the_record_is_not_ours(engine: Engine, repo: Path) -> None:
    run_id = await submit(engine, "later", "echo x > made; exit 1", cwd=str(repo))
    shown = await until(engine, run_id, lambda shown: shown.run.due_at > 0)
    tree, copy = tree_of(engine, shown), Worktree(engine.files.root / "copy", "copied")
    git(engine.files.root, "clone", "-q", str(repo), str(copy.path))
    os.mkdir(copy.own)
    made = tree.made()
    assert made is not None
    copy.record(made)
    copy.remove()
    assert tree.admin(made.common) is not None
    assert json.loads(Path(tree.own, "made.json").read_text())["whole"] is True
    await engine.cancel(run_id)


async def test_many_of_one_repository_at_once(engine: Engine, repo: Path) -> None:
    ids = [await submit(engine, "sh", f"echo {number} > made", cwd=str(repo)) for number in range(6)]
    for number, run_id in enumerate(ids):
        shown = await engine.until_final(run_id)
        assert git(repo, "show", f"{kept(shown)['branch']}:made") == str(number)
    assert linked(repo) == []
