# mk/doc.mk - documents that are made from code and from figures

.PHONY: doc lint-doc
doc:
	@$(LUA) .ci/documents.lua write

lint-doc:
	@$(LUA) .ci/documents.lua check
