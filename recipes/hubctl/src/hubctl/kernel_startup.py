"""Runs in a PySpark kernel as it starts; mounted with its kernelspec, so it can count on nothing but IPython.

Spark itself starts with the first cell: the kernel is there at once, and what goes wrong is told in that cell. The
names `spark` and `sc` are then as in Spark's own shell.
"""


def _prepare_spark() -> None:
    import contextlib
    import os
    import socket
    import sys
    from pathlib import Path

    from IPython import get_ipython

    home = os.environ.get("SPARK_HOME")
    if home:  # the cluster's Spark, whose Python part may be of another version than the image's
        ours = [f"{home}/python", *map(str, Path(home, "python", "lib").glob("py4j-*-src.zip"))]
        sys.path[:0] = ours
        inherited = [path for path in [os.environ.get("PYTHONPATH")] if path]
        os.environ["PYTHONPATH"] = os.pathsep.join(ours + inherited)
    if "--master local" in os.environ.get("PYSPARK_SUBMIT_ARGS", ""):
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    else:  # executors connect to the driver, and nobody else knows the name of a container
        with contextlib.suppress(OSError):
            address = socket.gethostbyname(socket.gethostname())
            if not address.startswith("127."):  # else Spark looks for a better one itself
                os.environ.setdefault("SPARK_LOCAL_HOSTNAME", address)
    shell = get_ipython()

    def start(info: object) -> None:
        try:
            from pyspark.sql import SparkSession  # type: ignore[import-not-found]  # the image's

            session = SparkSession.builder.getOrCreate()
        except Exception as error:
            print(f"Spark can't be started, the next cell tries again: {error}", file=sys.stderr)
            return
        shell.user_ns.update(spark=session, sc=session.sparkContext)
        shell.user_ns_hidden.update(spark=session, sc=session.sparkContext)
        shell.events.unregister("pre_run_cell", start)

    shell.events.register("pre_run_cell", start)


_prepare_spark()
del _prepare_spark
