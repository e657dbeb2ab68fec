import {defineConfig} from 'vitepress'
import {readdirSync, readFileSync} from 'node:fs'

// The chapters of a language, in the order of their numbers, titled by their first heading.
function chapters(language: string) {
  return readdirSync(`pages/${language}`)
    .filter((name) => /^\d\d-.*\.md$/.test(name))
    .sort()
    .map((name) => ({
      text: readFileSync(`pages/${language}/${name}`, 'utf-8').split('\n')[0].replace(/^# /, '').replace(/ \{#.*\}$/, ''),
      link: `/${language}/${name.replace(/\.md$/, '')}`
    }))
}

export default defineConfig({
  title: 'Drydock',
  description: 'How containers work, by a container engine',
  srcDir: 'pages',
  cleanUrls: false,
  locales: {
    en: {label: 'English', lang: 'en', themeConfig: {sidebar: chapters('en')}},
    zh: {
      label: '简体中文',
      lang: 'zh-CN',
      themeConfig: {sidebar: chapters('zh'), outline: {label: '本页目录'}, docFooter: {prev: '上一章', next: '下一章'}}
    }
  },
  themeConfig: {
    search: {
      provider: 'local',
      options: {
        miniSearch: {
          options: {
            // Chinese has no spaces between words, and the engine's own tokenizer finds nothing in it. Pairs of
            // neighbouring characters are the same when the index is built and when somebody asks.
            tokenize: (text: string) => {
              const tokens: string[] = []
              for (const word of text.toLowerCase().split(/[\s\p{P}\p{S}]+/u)) {
                if (!/[\u3400-\u9fff]/.test(word)) {
                  if (word) tokens.push(word)
                  continue
                }
                for (let i = 0; i < word.length; i++) tokens.push(word.slice(i, i + 2))
              }
              return tokens
            }
          }
        }
      }
    }
  }
})
