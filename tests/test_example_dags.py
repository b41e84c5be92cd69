from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from airflow.sdk import DAG

EXAMPLES = sorted((Path(__file__).parent.parent / "example_dags").glob("*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_builds(path: Path) -> None:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    dag = getattr(module, path.stem)()
    assert isinstance(dag, DAG)
    assert dag.dag_id == path.stem
    assert dag.tasks
    assert dag.doc_md
    dag.validate()
