# Everything here sets itself up in .venv, on a machine with Python 3.11 or newer.
#
#   make demo                       train the FAQ matcher on BANKING77, look at it, ask it
#   make serve                      a page to ask it on, once make demo has trained it
#   make demo-seq2seq               from spelling to sounds: train, measure, predict, a picture
#   make demo-tag                   Chinese text cut into words: train, measure, predict, a page
#   make test                       the tests, on JAX
#   make test BACKEND=torch         the same tests on another engine: torch, tensorflow
#   make lint                       formatting, lints, types
#   make test-wheel                 the built wheel, tested beside the oldest Keras it allows
#   make slow                       what takes minutes: needs all three engines

PYTHON ?= python3
BACKEND ?= jax
PIP := .venv/bin/python -m pip install --quiet --disable-pip-version-check
PYTEST := -m pytest
# Two at a time; who has done its half takes from the other's.
TWO := -n 2 --dist worksteal
EXTRAS_jax := dev,jax
# With what writes ONNX: TensorFlow does that for every engine.
EXTRAS_tensorflow := dev,tensorflow,onnx
# One version for all who run the tests; TORCH=torch takes the newest.
TORCH ?= torch==2.13.0
# With the other libraries whose losses ours are compared with: most are written in it.
EXTRAS_torch := dev,peers
OLDEST := $(shell sed -n 's/.*"keras>=\([0-9.]*\)".*/\1.0/p' pyproject.toml)
# Most of a test's time on JAX is compiling a model that trains for a step or two: it is optimised
# less then, in a third of the time. The slow tests compile as users do.
COMPILE := $(if $(filter jax,$(BACKEND)),JAX_DISABLE_MOST_OPTIMIZATIONS=1)
# Neither Keras nor an engine is imported there: on one engine they show all that they can.
WITHOUT := $(if $(filter jax,$(BACKEND)),,--ignore=tests/serve)
# Their slow tests are further cases of what the others show on each engine: on the quickest one.
APPLICATIONS := tests/seq2seq tests/tag
# Only there is something compiled.
SHAPES := tests/seq2seq/test_shapes.py tests/seq2seq/app/test_shapes.py
DEMO := runs/banking77
SOUNDS := runs/cmudict
WORDS := runs/chinese-words

.PHONY: demo serve demo-seq2seq demo-tag test lint slow test-wheel setup-all clean

.venv/bin/python:
	$(PYTHON) -m venv .venv
	$(PIP) --upgrade pip

# One stamp per set of packages; a changed pyproject.toml installs anew.
.venv/ready-%: pyproject.toml | .venv/bin/python
	$(if $(filter torch,$*),$(PIP) $(TORCH))
	$(PIP) -e ".[$(EXTRAS_$*)]"
	@touch $@

demo: .venv/ready-jax
	KERAS_BACKEND=jax .venv/bin/losslayer faq train data/banking77/train.csv \
	  --question text --entry category --test data/banking77/test.csv --out $(DEMO) --overwrite
	KERAS_BACKEND=jax .venv/bin/losslayer faq ask --model $(DEMO) \
	  "My new card still has not arrived, where is it?" \
	  "why did you take a fee when I got cash from a machine abroad" \
	  "I think somebody else is using my account"

# In an environment of its own the page would need neither Keras nor an engine; the export needs both.
serve: .venv/ready-jax .venv/ready-tensorflow
	test -f $(DEMO)/model/question.onnx || \
	  KERAS_BACKEND=jax .venv/bin/losslayer faq export --model $(DEMO)
	.venv/bin/losslayer faq serve --model $(DEMO)

demo-seq2seq: .venv/ready-jax
	KERAS_BACKEND=jax .venv/bin/losslayer seq2seq train data/cmudict/demo.toml --out $(SOUNDS) --overwrite
	KERAS_BACKEND=jax .venv/bin/losslayer seq2seq evaluate data/cmudict/test.tsv --model $(SOUNDS)
	KERAS_BACKEND=jax .venv/bin/losslayer seq2seq predict --model $(SOUNDS) \
	  losslayer philharmonic knighthood queueing
	KERAS_BACKEND=jax .venv/bin/losslayer seq2seq attention philharmonic --model $(SOUNDS) \
	  --out $(SOUNDS)-attention.png

demo-tag: .venv/ready-jax
	KERAS_BACKEND=jax .venv/bin/losslayer tag train data/ud_chinese_cws/train.txt \
	  --dev data/ud_chinese_cws/dev.txt --format lines --epochs 6 --out $(WORDS) --overwrite
	KERAS_BACKEND=jax .venv/bin/losslayer tag evaluate data/ud_chinese_cws/test.txt \
	  --model $(WORDS) --html $(WORDS)-test.html
	printf '我们喜欢北京的天气\n他在上海研究人工智能\n' | \
	  KERAS_BACKEND=jax .venv/bin/losslayer tag predict --model $(WORDS)

test: .venv/ready-$(BACKEND)
	$(COMPILE) KERAS_BACKEND=$(BACKEND) .venv/bin/python $(PYTEST) -m "not slow" $(TWO) --durations=5 $(WITHOUT)

lint: .venv/ready-jax
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy

setup-all: .venv/ready-jax .venv/ready-torch .venv/ready-tensorflow

# Sources of data of the other engines are only there once these are installed.
slow: setup-all
	KERAS_BACKEND=jax .venv/bin/python $(PYTEST) -m slow $(TWO) $(APPLICATIONS:%=--ignore=%)
	KERAS_BACKEND=jax .venv/bin/python $(PYTEST) $(TWO) tests/core/test_sources.py $(SHAPES)
	KERAS_BACKEND=tensorflow .venv/bin/python $(PYTEST) -m slow $(TWO) tests/callbacks/test_resume.py \
	  "tests/callbacks/test_exact.py::test_every_step[two in one]" \
	  "tests/callbacks/test_exact.py::test_every_step[tf.data with steps]" \
	  tests/core/test_replicas.py tests/core/test_slices.py tests/losses $(SHAPES)
	KERAS_BACKEND=torch .venv/bin/python $(PYTEST) -m slow $(TWO) tests/callbacks/test_resume.py tests/losses \
	  tests/core/test_slices.py $(APPLICATIONS)

test-wheel: .venv/ready-jax
	rm -rf dist .venv-wheel
	.venv/bin/python -m build --wheel --outdir dist . > /dev/null
	$(PYTHON) -m venv .venv-wheel
	.venv-wheel/bin/python -m pip install --quiet --disable-pip-version-check \
	  "$$(ls dist/*.whl)[jax,faq]" keras==$(OLDEST) pytest pytest-xdist
	KERAS_BACKEND=jax .venv-wheel/bin/python -c "import keras; print('keras', keras.__version__)"
	$(COMPILE) KERAS_BACKEND=jax .venv-wheel/bin/python $(PYTEST) -m "not slow" $(TWO) tests/metrics tests/layers \
	  tests/core/test_model.py tests/core/test_exact.py tests/core/test_files.py tests/core/test_sources.py

clean:
	rm -rf .venv .venv-wheel dist runs
