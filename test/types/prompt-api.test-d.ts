/// <reference types="dom-chromium-ai" />
// What stands as LanguageModel is what @types/dom-chromium-ai says of it: what its users pass is taken, what they
// get is what they expect.
import { expectTypeOf } from 'vitest'
import type {
  CoreOptions,
  CreateOptions,
  PromptApi,
  PromptInput,
  PromptOptions,
  PromptSession,
} from '../../src/adapters/prompt-api/prompt-api.ts'

type Browser = typeof LanguageModel
/** Its listeners are those of any EventTarget here. */
type Plain<T> = Omit<T, keyof EventTarget | 'clone' | 'oncontextoverflow' | 'onquotaoverflow'>

expectTypeOf<LanguageModelCreateCoreOptions>().toExtend<CoreOptions>()
expectTypeOf<LanguageModelCreateOptions>().toExtend<CreateOptions>()
expectTypeOf<LanguageModelPrompt>().toExtend<PromptInput>()
expectTypeOf<LanguageModelPromptOptions>().toExtend<PromptOptions>()
expectTypeOf<Plain<PromptSession>>().toExtend<Plain<LanguageModel>>()
expectTypeOf<keyof LanguageModel>().toExtend<keyof PromptSession>()
expectTypeOf<Exclude<keyof Browser, 'prototype'>>().toExtend<keyof PromptApi>()
expectTypeOf<ReturnType<PromptApi['availability']>>().toEqualTypeOf<
  ReturnType<Browser['availability']>
>()
expectTypeOf<Awaited<ReturnType<PromptApi['params']>>>().toExtend<LanguageModelParams>()
expectTypeOf<Parameters<Browser['create']>>().toExtend<Parameters<PromptApi['create']>>()
