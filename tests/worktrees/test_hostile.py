"""Repositories that want to start programs or to be written to, and agents that help them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from praisonrun.core.errors import Invalid
from praisonrun.core.model import Failure, Status
from praisonrun.engine.engine import Engine
from praisonrun.files.worktrees import Worktree
from praisonrun.worktrees import git as calls
from praisonrun.worktrees.checkout import make
from praisonrun.worktrees.git import Git, GitFailed
from praisonrun.worktrees.keeping import About, keep

from ..engine.test_engine import printed
from ..rigs.harness import submit
from ..rigs.repositories import git, linked, state_of
from .conftest import Ran
from .test_worktrees import kept, patch_of, tree_of

HOOKS = (
    *("post-checkout", "pre-commit", "prepare-commit-msg", "commit-msg", "post-commit", "post-index-change"),
    *("reference-transaction", "fsmonitor-watchman", "pre-auto-gc", "post-rewrite"),
)


@pytest.fixture
def trap(tmp_path: Path, repo: Path) -> Path:
    """Have everything that a repository can name lead to a program, which leaves a file; return its path."""
    sprung, program = tmp_path / "sprung", tmp_path / "trap"
    program.write_text(f'#!/bin/sh\necho "$0 $*" >> {sprung}\ncat\n')
    program.chmod(0o755)
    for name in HOOKS:
        (repo / ".git" / "hooks" / name).symlink_to(program)
    arm(repo, program)
    (repo / ".git" / "info").mkdir(exist_ok=True)
    (repo / ".git" / "info" / "attributes").write_text("* filter=evil diff=evil merge=evil\n")
    return sprung


def arm(repo: Path, program: Path) -> None:
    """Let a repository's configuration name a program wherever it can."""
    settings = {
        "core.fsmonitor": program, "core.hooksPath": repo / ".git" / "hooks", "core.sshCommand": program,
        "core.pager": program, "core.editor": program, "core.askPass": program, "core.gitProxy": program,
        "filter.evil.clean": program, "filter.evil.smudge": program, "filter.evil.required": "true",
        "filter.other.process": program, "diff.external": program, "diff.evil.command": program,
        "diff.evil.textconv": program, "merge.evil.driver": program, "credential.helper": f"!{program}",
        "gpg.program": program, "commit.gpgsign": "true", "submodule.recurse": "true",
        "remote.evil.url": f"ext::{program}", "remote.evil.promisor": "true", "sequence.editor": program,
        "protocol.ext.allow": "always", "alias.add": f"!{program}", "alias.status": f"!{program}",
        "core.alternateRefsCommand": program, "maintenance.auto": "true", "gc.auto": "1",
    }  # fmt: skip
    for key, value in settings.items():
        git(repo, "config", key, str(value))


async def test_nothing_of_a_repository_is_started(engine: Engine, repo: Path, trap: Path, run: Ran) -> None:
    before = state_of(repo)
    shown = await run("echo x > x; cat sub/file")
    assert shown.run.status is Status.SUCCEEDED, shown.run
    assert await printed(engine, shown.run.id) == "one\n"
    assert kept(shown)["files"] == 1
    assert patch_of(engine, shown).read_bytes().count(b"\n") < 12
    assert not trap.exists(), trap.read_text()
    assert state_of(repo) == before
    await engine.delete(shown.run.id)
    assert not trap.exists()
    git(repo, "status")
    assert trap.exists(), "nothing would have shown it"


async def test_nor_what_its_agent_adds(repo: Path, trap: Path, run: Ran) -> None:
    """The files have a filter, and the index that says so is the agent's."""
    script = f"""
        echo '* filter=evil diff=evil' > .gitattributes; printf x > made
        git config filter.third.clean {trap.parent}/trap; git config core.worktree /
        git update-index --fsmonitor --assume-unchanged program; rm program; rm {trap}
    """
    shown = await run(script)
    assert not trap.exists(), trap.read_text()
    assert git(repo, "-c", "core.worktree=", "show", f"{kept(shown)['branch']}:made") == "x"


async def test_a_submodule_s_own_repository_starts_nothing(
    engine: Engine, repo: Path, template: Path, tmp_path: Path, run: Ran
) -> None:
    sprung, program = tmp_path / "sprung", tmp_path / "trap"
    program.write_text(f"#!/bin/sh\necho x >> {sprung}\n")
    program.chmod(0o755)
    git(repo, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(template), "mod")
    git(repo, "commit", "-q", "-m", "mod")
    script = f"""
        ls -A mod; git -c protocol.file.allow=always submodule update -q --init 2>&1
        git -C mod config core.fsmonitor {program}; echo changed > mod/sub/file; echo x > x
    """
    shown = await run(script)
    assert not sprung.exists()
    found = kept(shown)
    assert git(repo, "diff", "--name-only", "main", found["branch"]) == "x"
    assert "repositories inside of it" in found["error"]
    assert Path(found["path"], "mod", "sub", "file").read_text() == "changed\n"
    untouched = await run("echo x > x")
    assert "path" not in kept(untouched)


async def test_links_do_not_lead_out_of_it(engine: Engine, repo: Path, tmp_path: Path, run: Ran) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("mine")
    shown = await run(
        f"rm -r sub; ln -s {tmp_path}/mine sub; ln -s / root; ln -s nowhere broken; mkfifo fifo"
    )
    names = git(repo, "diff", "--name-status", "main", kept(shown)["branch"]).splitlines()
    assert names == ["A\tbroken", "A\troot", "A\tsub", "D\tsub/file"]
    assert (tmp_path / "mine" / "file").read_text() == "mine"
    # Its directory is a link in the commit, and a directory in the user's checkout.
    git(repo, "rm", "-rq", "--cached", "sub")
    oid = git(repo, "hash-object", "-w", "--", str(tmp_path / "mine" / "file"))
    git(repo, "update-index", "--add", "--cacheinfo", f"120000,{oid},sub")
    git(repo, "commit", "-q", "-m", "link")
    shown = await run("pwd", cwd=str(repo / "sub"))
    assert shown.run.failure is Failure.SPAWN_FAILED
    assert "sub is no directory in commit" in str(shown.run.error)
    assert not tree_of(engine, shown).exists()


async def test_the_agent_s_folder_is_no_way_out_either(
    engine: Engine, repo: Path, tmp_path: Path, run: Ran
) -> None:
    (tmp_path / "mine").mkdir()
    shown = await run(
        f'rmdir "$PRAISONRUN_ARTIFACTS"; ln -s {tmp_path}/mine "$PRAISONRUN_ARTIFACTS"; echo x > x'
    )
    found = kept(shown)
    assert "changes.patch is not there" in found["error"]
    assert list((tmp_path / "mine").iterdir()) == []
    assert git(repo, "show", f"{found['branch']}:x") == "x"


async def test_core_worktree_elsewhere(engine: Engine, repo: Path, tmp_path: Path) -> None:
    git(repo, "config", "core.worktree", str(tmp_path))
    with pytest.raises(Invalid, match=r"core.worktree of .* names .*, which does not lead back to it"):
        await submit(engine, "sh", "x", cwd=str(repo))


async def test_what_a_user_ignores_by_himself_stays_out(engine: Engine, repo: Path, run: Ran) -> None:
    (repo / ".git" / "info").mkdir(exist_ok=True)
    (repo / ".git" / "info" / "exclude").write_text("*.log\n")
    git(repo, "config", "core.fileMode", "false")
    assert kept(await run("echo x > a.log; chmod +x sub/file")) == {}


async def test_a_file_that_cannot_be_read_keeps_the_directory(
    engine: Engine, repo: Path, run: Ran, tmp_path: Path
) -> None:
    """Of an unborn repository git can take nothing; the rest is in the branch."""
    shown = await run("git init -q unborn; echo x > unborn/x; echo y > y")
    found = kept(shown)
    assert "not everything is in the branch" in found["error"]
    assert git(repo, "show", f"{found['branch']}:y") == "y"
    assert Path(found["path"], "unborn", "x").exists()


async def test_a_patch_that_is_too_large_is_left_out(
    engine: Engine, repo: Path, run: Ran, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("praisonrun.worktrees.keeping.PATCH_LIMIT", 100_000)
    shown = await run("head -c 300000 /dev/urandom > large")
    found = kept(shown)
    assert "changes.patch is not there: git diff-tree" in found["error"]
    assert not patch_of(engine, shown).exists()
    assert list(patch_of(engine, shown).parent.iterdir()) == []
    assert git(repo, "cat-file", "-s", f"{found['branch']}:large") == "300000"


async def test_git_that_does_not_end_is_ended(repo: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    git(repo, "config", "include.path", str(tmp_path / "fifo"))
    with pytest.raises(GitFailed, match="git rev-parse took longer than 0 s"):
        await Git(os.environ, seconds=0.2).text("rev-parse", "HEAD", cwd=str(repo))


async def test_a_secret_of_the_server_is_not_given_to_git(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"PATH": os.environ["PATH"], "HOME": "/home", "API_KEY": "secret", "GIT_DIR": "/elsewhere"}
    env = Git(given)._env()
    assert env["HOME"] == "/home"
    assert not {"API_KEY", "GIT_DIR"} & env.keys()
    assert calls.find({"PATH": f".:{os.environ['PATH']}"})
    assert calls.find({"PATH": "."}) == calls.find({"PATH": os.defpath})


def copied(path: str | Path, to: Path) -> None:
    shutil.copytree(path, to, symlinks=True, dirs_exist_ok=True)


async def test_every_step_may_be_repeated(repo: Path, tmp_path: Path) -> None:
    """What was noted before a kill, and what was not, come to the same branch."""
    (tmp_path / "state").mkdir()
    tree, plain = Worktree(tmp_path / "state", "name"), Git(os.environ)
    base = git(repo, "rev-parse", "HEAD")
    for _ in range(2):  # the second try removes all of the first
        made = await make(plain, tree, "run", base, str(repo))
    assert made.whole
    Path(tree.path, "x").write_text("x\n")
    about = About("what was asked\n", 1_700_000_000, tmp_path / "folder")
    places = [tree.own, tree.path, f"{repo}/.git/worktrees"]
    for number, place in enumerate(places):
        copied(place, tmp_path / f"saved{number}")
    first = await keep(plain, tree, about)
    assert first["branch"] == "praisonrun/name"
    assert await keep(plain, tree, about) == first
    tree.remove()
    for number, place in enumerate(places):
        copied(tmp_path / f"saved{number}", Path(place))
    assert await keep(plain, tree, about) == first
    branches = git(repo, "for-each-ref", "--format=%(refname)", "refs/heads/praisonrun")
    assert branches == "refs/heads/praisonrun/name"
    tree.remove()
    assert linked(repo) == []
    assert list((tmp_path / "state" / "worktrees").iterdir()) == []
