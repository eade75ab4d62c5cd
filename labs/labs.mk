# Labs: handouts and grading. labs/README.md says how.

TREE ?= .
JOBS ?= 2
# A path for the shell, whatever is in it: submissions' names are their authors'. Nor are paths put into the
# environment, for which make would expand them.
unexport TREE OUT DIR
quoted = '$(subst ','\'',$(value $1))'
lab-tool = PYTHONPATH=labs/tools $(PYTHON) labs/tools/$1.py

grade: ## grade a lab: LAB=n [TREE=submission] [CASES="name ..."]
	@$(call lab-tool,grade) $(LAB) --tree $(call quoted,TREE) --jobs $(JOBS) $(if $(value OUT),--out $(call quoted,OUT)) $(if $(CASES),--cases $(CASES))

ifneq ($(wildcard labs/tools/handout.py),)
handout: ## make the tree that students of a lab get: LAB=n DIR=path
	@$(call lab-tool,handout) $(LAB) $(call quoted,DIR)

grade-all: ## grade a class: LAB=n DIR=submissions [OUT=results] [SSHLOGINFILE=file]
	@$(call lab-tool,grade_all) $(LAB) $(call quoted,DIR) --jobs $(JOBS) $(if $(value OUT),--out $(call quoted,OUT)) $(if $(SSHLOGINFILE),--sshloginfile $(SSHLOGINFILE))

grade-stability: ## grade the same again and again, and compare the scores: LAB=n [TREE=submission] [RUNS=100] [JOBS=8]
	@$(call lab-tool,stability) $(LAB) --tree $(call quoted,TREE) $(if $(RUNS),--runs $(RUNS)) \
		$(if $(filter command line environment,$(origin JOBS)),--jobs $(JOBS))

test-labs: tools all unit-programs ## the labs' tests in full: each handout, the references, a class of twelve (three minutes)
	@RVNET_LABS=full $(PYTHON) tests/run.py tests/labs

mutants: ## seed bugs into the reference, and see that the graders find each: [LAB=n] [TENTH=k]
	@$(call lab-tool,mutants) $(if $(LAB),--lab $(LAB)) $(if $(TENTH),--tenth $(TENTH)) --jobs $(JOBS) $(NAMES)
endif

.PHONY: grade handout grade-all grade-stability test-labs mutants
