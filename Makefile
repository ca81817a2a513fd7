# Every target runs one command of the build tool; `make hub` is the way in. See README.md.
FORGE = sh forge/bootstrap.sh

.PHONY: help hub hub-stop test lock channel installer release image reproduce bench pictures lint clean

help:
	@echo 'make hub         build everything, install it into a scratch prefix, start the hub'
	@echo 'make hub-stop    stop that hub'
	@echo 'make test        run every check and test'
	@echo 'make lock        refresh all locks, or one: make lock NAME=openssl'
	@echo 'make channel     build from the locks, add to dist/channel (FROZEN=1: never fall forward)'
	@echo 'make installer   build dist/hub-installer.sh'
	@echo 'make release     make release VERSION=YYYY.MM of what is committed'
	@echo 'make image       build dist/hub-notebook-image.tar.zst, and load it where Docker runs'
	@echo 'make reproduce   build twice, in two folders with cold caches, and say what differs'
	@echo 'make bench       measure what the README quotes, or a part of it: make bench ONLY=hub'
	@echo 'make pictures    take the pictures of the pages for docs/pictures again'
	@echo 'make lint        format, types and shell checks alone'
	@echo 'make clean       remove what is in dist/, but for dist/channel (the cache stays)'

hub hub-stop test reproduce lint:
	@$(FORGE) $@

bench:
	@$(FORGE) $@ $(ONLY)

pictures:
	@$(FORGE) test tests/e2e/test_quick_start.py --pictures docs/pictures

channel installer image:
	@$(FORGE) $@ $(if $(FROZEN),--frozen)

release:
	@$(FORGE) release $(if $(FROZEN),--frozen) '$(or $(VERSION),$(error say which: make release VERSION=YYYY.MM))'

lock:
	@$(FORGE) lock $(NAME)

# What is published exists once.
clean:
	@[ ! -d dist ] || find dist -mindepth 1 -maxdepth 1 ! -name channel -exec rm -rf {} +
